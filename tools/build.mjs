// Builds dist/ from src/: JavaScript and types with tsc, Wasm kernels with AssemblyScript. Needs the development packages.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs a Node program in the project's folder; its output goes to stderr, so that stdout stays the caller's. */
function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

run('node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json');
run('tools/build-kernels.mjs', 'dist');
