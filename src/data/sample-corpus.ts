// Real text that is already on a fresh machine: the documentation and type declarations of the installed packages.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fail, option } from '../errors.ts';
import { textProblem } from './text.ts';

export interface Corpus {
  /** Absolute paths, in the order to read them. */
  readonly files: readonly string[];
  readonly bytes: number;
}

/** Longer files are generated tables and change logs more often than text. */
const MAX_FILE_BYTES = 300_000;

/**
 * Text to try a training run on: the .md and .d.ts files in the nearest node_modules at or above `startDir`, the prose
 * (.md) first, each sorted by path, each content once, until the next one would pass `maxBytes`. The same packages give
 * the same corpus; packages with a build for each platform make it differ a little between platforms.
 * @throws DATA_MISSING when no node_modules is found, DATA_EMPTY when none of its files fits
 */
export function findCorpus(startDir: string, maxBytes: number): Corpus {
  const modules = nearestModules(resolve(startDir));
  if (modules === undefined) {
    fail('DATA_MISSING', {
      path: startDir,
      problem: 'there is no node_modules at or above it to take sample text from',
      fix: `run npm install, or give your own text with ${option('data')}`,
    });
  }
  const all = [...walk(modules)].sort((a, b) => (a < b ? -1 : 1));
  const prose = all.filter((path) => path.endsWith('.md'));
  const declarations = all.filter((path) => path.endsWith('.d.ts'));
  const seen = new Set<string>();
  const files: string[] = [];
  let bytes = 0;
  for (const path of [...prose, ...declarations]) {
    const { size } = statSync(path);
    if (size === 0 || size > MAX_FILE_BYTES) continue;
    const content = readFileSync(path);
    const hash = createHash('sha256').update(content).digest('base64');
    if (seen.has(hash) || textProblem(content)) continue;
    if (bytes + size > maxBytes) break;
    seen.add(hash);
    files.push(path);
    bytes += size;
  }
  if (files.length === 0) fail('DATA_EMPTY', { path: modules, fix: `give your own text with ${option('data')}` });
  return { files, bytes };
}

function nearestModules(folder: string): string | undefined {
  const modules = join(folder, 'node_modules');
  if (existsSync(modules)) return modules;
  const parent = dirname(folder);
  return parent === folder ? undefined : nearestModules(parent);
}

/** Every .md and .d.ts file below; links and names with a leading dot are left out. */
function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile() && /\.(md|d\.ts)$/.test(entry.name)) yield path;
  }
}
