// Compiles the AssemblyScript kernels that are older than their sources: `node tools/build-kernels.mjs <src|dist>` writes
// <dir>/runtime/kernels/*.wasm. Vitest calls `setup` before the tests.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const sources = join(root, 'src', 'runtime', 'kernels');
const self = fileURLToPath(import.meta.url);

const common = [
  '-O3',
  '--converge',
  '--runtime',
  'stub',
  '--noAssert',
  '--use',
  'abort=',
  '--enable',
  'simd',
  '--importMemory',
  '--initialMemory',
  '1',
  // All of them work in memory that ranks share.
  '--enable',
  'threads',
  '--sharedMemory',
  '--maximumMemory',
  '65536',
];

async function compile(asc, source, output) {
  const texts = { 'kernel.ts': readFileSync(source, 'utf8') };
  let binary;
  const flags = ['kernel.ts', '--outFile', 'kernel.wasm', ...common];
  const { error, stderr } = await asc.main(flags, {
    readFile: (file) => texts[file] ?? null,
    writeFile: (file, contents) => {
      if (file === 'kernel.wasm') binary = contents;
    },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(`${source} does not compile: ${error?.message ?? ''}\n${stderr.toString()}`);
  const temporary = `${output}.${process.pid}.tmp`;
  writeFileSync(temporary, binary);
  renameSync(temporary, output);
}

/** Brings the kernels of a folder, relative to the project's, up to date. */
export async function buildKernels(target) {
  const folder = join(resolve(root, target), 'runtime', 'kernels');
  mkdirSync(folder, { recursive: true });
  const stale = readdirSync(sources)
    .filter((file) => file.endsWith('.as.ts'))
    .map((file) => ({ source: join(sources, file), output: join(folder, file.replace(/\.as\.ts$/, '.wasm')) }))
    .filter(({ source, output }) => {
      const newest = Math.max(statSync(source).mtimeMs, statSync(self).mtimeMs);
      return !existsSync(output) || statSync(output).mtimeMs < newest;
    });
  if (stale.length === 0) return;
  const { default: asc } = await import('assemblyscript/asc');
  for (const { source, output } of stale) await compile(asc, source, output);
}

export const setup = () => buildKernels('src');

if (process.argv[1] && realpathSync(process.argv[1]) === self) {
  const target = process.argv[2];
  if (!target) {
    console.error('which folder to write to? Use: node tools/build-kernels.mjs <src|dist>');
    process.exit(2);
  }
  await buildKernels(target);
}
