// Brings dist/ up to date with src/: JavaScript and types with tsc, Wasm kernels with AssemblyScript. Needs the development packages.
//
// A build goes to a folder of its own, whose files then take the places of the old ones, and the stamp comes last: a build that is
// broken off is made again, and a program that runs meanwhile always finds every file.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprint } from './fingerprint.mjs';
import { oneAtATime } from './one-at-a-time.mjs';

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));
const dist = join(root, 'dist');
const stamp = join(dist, '.built-from');

const isFresh = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint(root);

/** Builds if anything has changed since the last build; `announce` is called before. Two processes never build at once. */
export async function buildIfStale(announce = () => {}) {
  if (isFresh()) return;
  await oneAtATime(join(root, '.dist-lock'), () => {
    if (isFresh()) return;
    announce();
    build();
  });
}

function build() {
  // Whoever left these died: only one builds at a time.
  for (const name of readdirSync(root))
    if (name.startsWith('.dist-new-')) rmSync(join(root, name), { recursive: true });
  const from = fingerprint(root);
  const name = `.dist-new-${process.pid}`;
  try {
    run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--outDir', name);
    run('tools/build-kernels.mjs', name);
    rmSync(stamp, { force: true });
    replaceFiles(join(root, name), dist);
    writeFileSync(stamp, from);
  } finally {
    rmSync(join(root, name), { recursive: true, force: true });
  }
}

/** Runs a Node program in the project's folder; its output goes to stderr, so that stdout stays the caller's. */
function run(...args) {
  if (!existsSync(join(root, args[0])))
    throw new Error(`dist/ is older than src/ and ${args[0]} is not installed; run npm install in ${root}`);
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`dist/ cannot be built: node ${args.join(' ')} failed`);
}

/** Moves every file of `from` to its place in `to`, and removes what else is there. */
function replaceFiles(from, to) {
  mkdirSync(to, { recursive: true });
  const entries = readdirSync(from, { withFileTypes: true });
  for (const entry of entries) {
    if (entry.isDirectory()) replaceFiles(join(from, entry.name), join(to, entry.name));
    else renameSync(join(from, entry.name), join(to, entry.name));
  }
  const kept = new Set(entries.map(({ name }) => name));
  for (const name of readdirSync(to)) if (!kept.has(name)) rmSync(join(to, name), { recursive: true });
}

if (process.argv[1] && realpathSync(process.argv[1]) === self) await buildIfStale();
