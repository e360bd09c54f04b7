// Lets a thread import TypeScript: every file is turned into JavaScript once and kept under node_modules/.cache by what it says. A
// worker starts several times as fast with these few lines as with a loader that does all there is.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readBundle } from './bundle-ranks.mjs';

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'node_modules', '.cache', 'typescript-hooks');

/** What tsconfig.json says of the package's own names: a rank's module that imports them gets the same source as the ranks. */
const own = { fivefold: 'index.ts', 'fivefold/program': 'typed-program.ts', 'fivefold/planner': 'planner.ts' };

/** Of a thread that starts with a bundle, whose modules must not be there twice. */
let bundle;
export function initialize(data) {
  if (data?.bundled) bundle = readBundle();
}

export function resolve(name, context, next) {
  const url = addressOf(name, context);
  if (url === undefined) return next(name, context);
  const [file, query] = url.split('?');
  const bundled = bundle?.files[file];
  return { url: bundled ? `${bundled}${query ? `?${query}` : ''}` : url, format: 'module', shortCircuit: true };
}

/** Of what takes no looking: a relative name of TypeScript, a name of the package, a part of the bundle. */
function addressOf(name, { parentURL }) {
  if (/^\.\.?\/.*\.ts$/.test(name) && parentURL?.startsWith('file:')) return new URL(name, parentURL).href;
  if (Object.hasOwn(own, name)) return new URL(`../src/${own[name]}`, import.meta.url).href;
  if (!bundle) return undefined;
  if (/^file:.*\.ts(\?.*)?$/.test(name)) return name;
  return /\/chunk-\w+\.js$/.test(name) ? new URL(name, parentURL).href : undefined;
}

export async function load(url, context, next) {
  const [file] = url.split(/[?#]/);
  if (!/\.m?ts$/.test(file) || !file.startsWith('file:')) return next(url, context);
  const path = fileURLToPath(file);
  if (bundle && Object.hasOwn(bundle.inputs, path))
    throw new Error(`${path} is in the bundle of ranks already: a module of ranks imports the package, or is in test/`);
  return { format: 'module', shortCircuit: true, source: await javascriptOf(path) };
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
