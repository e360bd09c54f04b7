// Bundles what threads of ranks load from source: a thread that loads a few files starts in half the time of one that loads hundreds, each
// through a loader's thread. Vitest calls `setup` before the tests; typescript-hooks.mjs takes the bundle while no source has changed.
import { readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Of this checkout: several may share their packages, by a link. */
const folder = join(
  realpathSync(join(root, 'node_modules')),
  '.cache',
  'ranks',
  Buffer.from(root).toString('base64url'),
);
const manifest = join(folder, 'manifest.json');

const stampOf = (path) => {
  const { size, mtimeMs } = statSync(path);
  return `${size} ${mtimeMs}`;
};

/** Files by the addresses of the modules that they stand for, and all that is in them; nothing where any of that has changed. */
export function readBundle() {
  try {
    const { files, inputs } = JSON.parse(readFileSync(manifest, 'utf8'));
    return Object.entries(inputs).every(([path, stamp]) => stampOf(path) === stamp) ? { files, inputs } : undefined;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** What is loaded by its address: threads, modules of ranks, and the package's own names, which modules of ranks import. */
function entries() {
  const threads = ['runtime/world-worker', 'train/save-thread', 'index', 'typed-program', 'planner'];
  const isRank = (path) => /^export (async )?function rank\b/m.test(readFileSync(path, 'utf8'));
  const ranks = ['src', 'test']
    .flatMap((name) => readdirSync(join(root, name), { recursive: true }).map((file) => join(root, name, file)))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && isRank(path));
  return [...threads.map((name) => join(root, 'src', `${name}.ts`)), ...ranks];
}

/** Modules are asked where they lie: beside their source. What follows a `?` is asked of the bundle's own address. */
const ownAddress = {
  name: 'own-address',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const address = JSON.stringify(pathToFileURL(path).href);
      const contents = readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        `(${address} + new URL(import.meta.url).search)`,
      );
      return { loader: 'ts', contents };
    });
  },
};

export async function setup() {
  if (readBundle()) return;
  const { build } = await import('esbuild');
  const outdir = join(folder, String(process.pid));
  const entryPoints = entries();
  const { metafile } = await build({
    entryPoints,
    outdir,
    outbase: root,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    metafile: true,
    absWorkingDir: root,
    plugins: [ownAddress],
    logLevel: 'warning',
  });
  const inputs = Object.fromEntries(
    Object.keys(metafile.inputs).map((name) => [join(root, name), stampOf(join(root, name))]),
  );
  const files = Object.fromEntries(
    Object.entries(metafile.outputs).flatMap(([output, { entryPoint }]) =>
      entryPoint ? [[pathToFileURL(join(root, entryPoint)).href, pathToFileURL(join(root, output)).href]] : [],
    ),
  );
  // Of tests that run now, threads may still load an older one.
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (path !== manifest && Date.now() - statSync(path).mtimeMs > 3_600_000) rmSync(path, { recursive: true });
  }
  writeFileSync(`${manifest}.${process.pid}`, JSON.stringify({ files, inputs }));
  renameSync(`${manifest}.${process.pid}`, manifest);
}
