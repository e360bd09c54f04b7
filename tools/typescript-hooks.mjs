// Lets a thread import TypeScript: every file is turned into JavaScript once and kept under node_modules/.cache by what it says. A
// worker starts several times as fast with these few lines as with a loader that does all there is.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'node_modules', '.cache', 'typescript-hooks');

/** What tsconfig.json says of the package's own names: a rank's module that imports them gets the same source as the ranks. */
const own = { fivefold: 'index.ts', 'fivefold/program': 'typed-program.ts', 'fivefold/planner': 'planner.ts' };

export function resolve(name, context, next) {
  // Which file a relative name of TypeScript means takes no looking.
  if (/^\.\.?\/.*\.ts$/.test(name) && context.parentURL?.startsWith('file:'))
    return { url: new URL(name, context.parentURL).href, format: 'module', shortCircuit: true };
  if (!Object.hasOwn(own, name)) return next(name, context);
  return { url: new URL(`../src/${own[name]}`, import.meta.url).href, shortCircuit: true };
}

export async function load(url, context, next) {
  const [file] = url.split(/[?#]/);
  if (!/\.m?ts$/.test(file) || !file.startsWith('file:')) return next(url, context);
  return { format: 'module', shortCircuit: true, source: await javascriptOf(fileURLToPath(file)) };
}

async function javascriptOf(path) {
  const text = readFileSync(path, 'utf8');
  const key = createHash('sha256').update(`1 ${path}\n${text}`).digest('hex');
  const kept = join(folder, `${key}.js`);
  try {
    return readFileSync(kept, 'utf8');
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  const { transform } = await import('esbuild');
  const { code } = await transform(text, {
    loader: 'ts',
    format: 'esm',
    target: 'node20',
    sourcefile: path,
    sourcemap: 'inline',
  });
  mkdirSync(folder, { recursive: true });
  const temporary = `${kept}.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`;
  writeFileSync(temporary, code);
  renameSync(temporary, kept);
  return code;
}
