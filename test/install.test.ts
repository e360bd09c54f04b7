// What users get: the checkout is built and packed, the package installed into an empty folder, and used there in every way it can be.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { brokenLinks } from './links.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const temporary = mkdtempSync(join(tmpdir(), 'fivefold-install-'));
const checkout = join(temporary, 'checkout');
const user = join(temporary, 'user');
const installed = join(user, 'node_modules', 'fivefold');
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

interface Ended {
  readonly status: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command with this Node first in the path, and with nothing of the npm that may be running these tests. */
function run(cwd: string, command: string, ...args: string[]): Promise<Ended> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|VITEST)/i.test(name));
  const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;
  const env = { ...Object.fromEntries(inherited), PATH: path };
  const shell = process.platform === 'win32' && command !== process.execPath;
  return new Promise((resolve) =>
    execFile(command, args, { cwd, env, shell, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ status: error ? (error.code ?? error.signal ?? null) : 0, stdout, stderr }),
    ),
  );
}

async function succeed(cwd: string, command: string, ...args: string[]): Promise<Ended> {
  const ended = await run(cwd, command, ...args);
  if (ended.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${ended.status}\n${ended.stdout}${ended.stderr}`);
  return ended;
}

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const lock = json(join(root, 'package-lock.json')) as {
  packages: Record<string, { dev?: boolean; devOptional?: boolean; hasInstallScript?: boolean }>;
};
const published = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && !entry.dev);
const files: string[] = [];

/** This project without what is made in it, as a fresh clone that has its packages. */
function copyCheckout(): void {
  const made = ['node_modules', 'dist', '.git', 'runs'];
  cpSync(root, checkout, {
    recursive: true,
    filter: (path) => !(dirname(path) === root && (made.includes(basename(path)) || path.includes('.dist-'))),
  });
  symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'), 'junction');
}

/** Installs with the versions of our own lock file, install scripts on: nothing but npm's cache or registry is asked. */
async function install(tarball: string): Promise<void> {
  const { version, dependencies, optionalDependencies, bin } = json(join(checkout, 'package.json'));
  const home = { name: 'user', version: '1.0.0', dependencies: { fivefold: `file:${tarball}` } };
  const fivefold = { version, resolved: `file:${tarball}`, dependencies, optionalDependencies, bin };
  const packages = { '': home, 'node_modules/fivefold': fivefold, ...Object.fromEntries(published) };
  mkdirSync(user);
  writeFileSync(join(user, 'package.json'), JSON.stringify(home));
  writeFileSync(join(user, 'package-lock.json'), JSON.stringify({ ...home, lockfileVersion: 3, packages }));
  await succeed(user, 'npm', 'ci', '--prefer-offline', '--no-audit', '--no-fund');
}

describe('a checkout', () => {
  beforeAll(copyCheckout);

  test('is built by whoever runs the program first, once', async () => {
    const both = await Promise.all([1, 2].map(() => succeed(checkout, 'node', 'bin/fivefold.js', '--version')));
    const { version } = json(join(checkout, 'package.json'));
    expect(both.map(({ stdout }) => stdout.trim())).toEqual([version, version]);
    expect(both.filter(({ stderr }) => stderr.includes('building'))).toHaveLength(1);
    const again = await succeed(checkout, 'node', 'bin/fivefold.js', '--version');
    expect(again.stderr).toBe('');
    expect(readdirSync(checkout).filter((name) => name.startsWith('.dist'))).toEqual([]);
  });

  test('packs and installs', async () => {
    const { stdout } = await succeed(checkout, 'npm', 'pack', '--json', '--pack-destination', temporary);
    const report = JSON.parse(stdout.slice(stdout.indexOf('[')))[0];
    files.push(...report.files.map(({ path }: { path: string }) => path));
    expect(files.filter((file) => /\.test[.-]|^test\/|^tools\/|src\/.*\.wasm$|built-from/.test(file))).toEqual([]);
    expect(report.unpackedSize).toBeLessThan(8_500_000);
    await install(join(temporary, report.filename));
  });

  test('is built again after a change, and keeps the last good build if that fails', async () => {
    const before = readFileSync(join(checkout, 'dist', 'errors.js'), 'utf8');
    writeFileSync(join(checkout, 'src', 'mistake.ts'), "export const size: number = 'large';\n");
    const { status, stderr } = await run(checkout, 'node', 'bin/fivefold.js', '--version');
    expect(status).toBe(1);
    expect(stderr).toContain('src/mistake.ts(1,14): error TS2322');
    expect(readFileSync(join(checkout, 'dist', 'errors.js'), 'utf8')).toBe(before);
  });
});

describe('the package in an empty folder', () => {
  const program = `
    const layout = parseLayout('tp=2,pp=2');
    let code;
    try { parseLayout('tp=zwei'); } catch (error) { code = error instanceof FivefoldError && error.code; }
    console.log(typeof train, typeof generate, printLayout(layout), code);`;
  const printed = 'function function tp=2,pp=2 LAYOUT_SYNTAX\n';
  const names = '{ FivefoldError, generate, parseLayout, printLayout, train }';

  test('is imported by modules', async () => {
    writeFileSync(join(user, 'module.mjs'), `import ${names} from 'fivefold';${program}`);
    expect(await run(user, 'node', 'module.mjs')).toEqual({ status: 0, stdout: printed, stderr: '' });
  });

  test('is required by CommonJS, without a warning', async () => {
    writeFileSync(join(user, 'common.cjs'), `const ${names} = require('fivefold');${program}`);
    expect(await run(user, 'node', 'common.cjs')).toEqual({ status: 0, stdout: printed, stderr: '' });
  });

  test('has types that need neither Node’s nor a browser’s', async () => {
    const source = `
      import { createPool, FivefoldError, generate, parseLayout, train, type TrainOptions } from 'fivefold';
      import * as all from 'fivefold';
      export async function losses(options: TrainOptions): Promise<readonly number[]> {
        const pool = createPool();
        const summary = await train({ ...options, layout: parseLayout('tp=2'), pool });
        await pool.close();
        return summary.steps.map((step) => step.loss);
      }
      export const known = (error: unknown): string | undefined => (error instanceof FivefoldError ? error.code : undefined);
      // @ts-expect-error: the types are there, so a mistake shows
      export const wrong: Parameters<typeof generate>[0] = { maxTokens: 'many' };
      export type All = keyof typeof all;`;
    const stopping = `
      import type { TrainOptions } from 'fivefold';
      export const stoppable = (options: TrainOptions, { signal }: AbortController): TrainOptions => ({ ...options, signal });`;
    writeFileSync(join(user, 'use.mts'), source);
    writeFileSync(join(user, 'use.cts'), source);
    writeFileSync(join(user, 'stop.mts'), stopping);
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const compile = (module: string, moduleResolution: string, lib: readonly string[], ...sources: string[]) => {
      const checks = { noEmit: true, strict: true, skipLibCheck: false, types: [] };
      const compilerOptions = { ...checks, target: 'es2023', lib, module, moduleResolution };
      writeFileSync(join(user, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: sources }));
      return succeed(user, process.execPath, tsc, '-p', user);
    };
    await compile('nodenext', 'nodenext', ['es2023'], 'use.mts', 'use.cts');
    await compile('preserve', 'bundler', ['es2023'], 'use.mts');
    await compile('nodenext', 'nodenext', ['es2023', 'dom'], 'stop.mts');
  });

  test('is a command that trains', async () => {
    const help = await succeed(user, 'npx', '--no-install', 'fivefold', '--help');
    expect(help.stdout).toContain('Usage: fivefold');
    writeFileSync(join(user, 'notes.txt'), 'A rank is a thread, and the ranks of a world are its threads. '.repeat(20));
    const options = '--model llama-tiny --seq-len 16 --global-batch 2 --steps 2 --layout tp=2 --json --out run';
    const { stdout } = await succeed(user, 'npx', 'fivefold', 'train', '--data', 'notes.txt', ...options.split(' '));
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ loss }) => loss > 0)).toHaveLength(2);
    expect(lines.at(-1).done).toBe(true);
    expect(readdirSync(join(user, 'run'))).toContain('config.json');
  });

  const tsx = join(root, 'node_modules', 'tsx');
  const runTypeScript = (file: string) => run(user, process.execPath, join(tsx, 'dist', 'cli.mjs'), file);

  test('carries its examples', async () => {
    const { stdout } = await runTypeScript(join(installed, 'examples', 'hello.ts'));
    expect(stdout).toContain('On each of two:');
  });

  test('runs modules of its user on ranks', async () => {
    writeFileSync(
      join(user, 'ranks.mjs'),
      `import { isRank, runRanks, worldGroup } from 'fivefold';
      export function rank(transport, job) {
        const sum = Float64Array.of(job);
        transport.allReduce(worldGroup(transport.size), sum, 'sum', 'sum of jobs');
        return sum[0];
      }
      if (!isRank) console.log(await runRanks(import.meta.url, [1, 20, 300]));`,
    );
    expect(await run(user, 'node', 'ranks.mjs')).toEqual({ status: 0, stdout: '[ 321, 321, 321 ]\n', stderr: '' });
  });

  test('runs those in TypeScript with the tsx beside them, or says what is missing', async () => {
    const example = join(installed, 'examples', 'sum-of-squares.ts');
    const { stderr } = await runTypeScript(example);
    expect(stderr).toMatch(
      /module: Node \S+ cannot load the TypeScript of file:.*; install tsx, use Node 22.18 or later/,
    );
    symlinkSync(tsx, join(user, 'node_modules', 'tsx'), 'junction');
    const { status, stdout, stderr: wrong } = await runTypeScript(example);
    expect({ status, wrong }).toEqual({ status: 0, wrong: '' });
    expect(stdout).toContain('4 ranks');
  });

  test('runs typed programs on ranks', async () => {
    const { status, stdout } = await runTypeScript(join(installed, 'examples', 'ring-attention.ts'));
    expect(status).toBe(0);
    expect(stdout).toContain('dv: 4 ranks differ from one by');
  });

  test('carries every page and file that its pages link to', () => {
    const read = (file: string) => (files.includes(file) ? readFileSync(join(installed, file), 'utf8') : undefined);
    const pages = files.filter((file) => file.endsWith('.md'));
    expect(pages).toContain('README.md');
    expect(pages).toContain('docs/architecture.md');
    expect(pages.flatMap((page) => brokenLinks(page, files, read).map((link) => `${page}: ${link}`))).toEqual([]);
  });
});

test('broken links are found', () => {
  const page =
    '# Top\n[a](docs/b.md) [c](c.md) [d](#top) [e](#gone) [f](docs/b.md#here) [g](docs) `[h](h.md)`\n[i]: i.md';
  const pages: Record<string, string> = { 'README.md': page, 'docs/b.md': '## Here, there' };
  expect(brokenLinks('README.md', Object.keys(pages), (file) => pages[file])).toEqual([
    'c.md',
    '#gone',
    'docs/b.md#here',
    'i.md',
  ]);
});

test('nothing that is installed along runs a script, but koffi, whose script needs no network', () => {
  const scripted = published.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path);
  expect(scripted).toEqual(['node_modules/koffi']);
});
