// Runs all tests on other versions of Node: `npm run test:nodes [-- 22 24 26]`. The programs come from the registry's node-<platform>-<arch>
// packages and are kept in node_modules/.cache/.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, 'node_modules', '.cache', 'fivefold-nodes');
const windows = process.platform === 'win32';
const npm = (...args) =>
  execFileSync('npm', args, { encoding: 'utf8', shell: windows, stdio: ['ignore', 'pipe', 'ignore'] });

/** The folder of a Node program: the newest of that version that is in the cache, or else in the registry. */
function nodeFolder(version) {
  const folder = join(cache, version);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const fresh = mkdtempSync(join(cache, 'fetching-'));
    const name = `node-${windows ? 'win' : process.platform}-${process.arch}`;
    npm('install', '--prefix', fresh, '--no-save', '--ignore-scripts', `${name}@${version}`);
    renameSync(join(fresh, 'node_modules', name), folder);
    rmSync(fresh, { recursive: true });
  }
  return join(folder, 'bin');
}

const versions = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24'];
const results = versions.map((version) => {
  const folder = nodeFolder(version);
  const program = join(folder, windows ? 'node.exe' : 'node');
  const exact = execFileSync(program, ['--version'], { encoding: 'utf8' }).trim();
  console.log(`\n=== Node ${exact}`);
  const start = performance.now();
  const { status } = spawnSync(program, ['node_modules/vitest/vitest.mjs', 'run'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` },
  });
  return { exact, passed: status === 0, seconds: (performance.now() - start) / 1000 };
});
console.log('');
for (const { exact, passed, seconds } of results)
  console.log(`Node ${exact.padEnd(10)} ${passed ? 'passed' : 'FAILED'} in ${seconds.toFixed(0)} s`);
if (results.some(({ passed }) => !passed)) process.exit(1);
