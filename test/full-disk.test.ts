// A disk that fills in mid-run: exit status 1, the checkpoint that survives is named and whole, and the run goes on from it.
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { readManifest } from '../src/checkpoint/commit.ts';
import { openCheckpoint, openOptimizer } from '../src/checkpoint/hf-directory.ts';
import { type Ended, makeWorkplace, run } from './cli-fixture.ts';
import { fullRanges } from './full-ranges.ts';
import { typescript } from './typescript.ts';

const place = makeWorkplace();
const disk = place.path('disk');
mkdirSync(disk);
/** A disk of its own, that fills; only root may have one. */
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]).status === 0;
afterAll(() => {
  if (mounted) spawnSync('umount', [disk]);
  place.remove();
});

const train = (...more: string[]) => [
  ...['train', '--data', place.path('text.txt'), '--layout', 'tp=1', '--save-every', '1', '--json', ...more],
];
const fresh = ['--model', place.path('config.json'), '--seq-len', '16', '--global-batch', '2'];

/** Every number of the checkpoint in a directory is read and finite; nothing else of a save lies there. */
function expectWhole(out: string, step: number): void {
  expect(readManifest(out)?.step).toBe(step);
  const opened = [openCheckpoint(out), openOptimizer(out)];
  for (const checkpoint of opened) {
    for (const [name, { shape }] of checkpoint.tensors) {
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
      checkpoint.read(name, fullRanges(shape), values);
      expect(values.every(Number.isFinite)).toBe(true);
    }
    checkpoint.close();
  }
  expect(readdirSync(out).sort()).toEqual([
    'config.json',
    'metrics.jsonl',
    'model-step00000X-00001-of-00001.safetensors'.replace('X', String(step)),
    'model.safetensors.index.json',
    'optimizer-step00000X.safetensors'.replace('X', String(step)),
    'run.json',
  ]);
}

function expectSaveFailed({ exit, stderr }: Ended, step: number, out: string, problem: string): void {
  expect(exit).toBe(1);
  const [line] = stderr.trim().split('\n').slice(-1);
  expect(line).toContain(`step ${step} could not be saved in ${out}: ${problem}; step ${step - 1} there is whole`);
  expect(line).toContain(`and go on with --resume ${out}`);
}

test.skipIf(!mounted)('a full disk', async () => {
  const out = join(disk, 'run');
  const first = await run(...train(...fresh, '--steps', '2', '--out', out));
  expect(first.exit).toBe(0);
  expectWhole(out, 2);
  // Room for half a save more, until it is freed.
  const bytes = readdirSync(out).reduce((sum, name) => sum + statSync(join(out, name)).size, 0);
  const filler = join(disk, 'filler');
  writeFileSync(filler, Buffer.alloc(2 * 2 ** 20 - Math.ceil(bytes * 1.5)));

  const failed = await run(...train('--resume', out, '--steps', '4', '--layout', 'tp=2'));
  expectSaveFailed(failed, 3, out, 'no space is left on the device');
  expectWhole(out, 2);

  rmSync(filler);
  const last = await run(...train('--resume', out, '--steps', '4'));
  expect(last.exit).toBe(0);
  expectWhole(out, 4);
});

test.skipIf(!mounted)('a disk that is full before the run begins', async () => {
  const filler = join(disk, 'filler');
  const before = readdirSync(disk, { recursive: true });
  writeFileSync(filler, '');
  try {
    appendFileSync(filler, Buffer.alloc(4 * 2 ** 20));
  } catch {
    // It is full.
  }
  const started = await run(...train(...fresh, '--steps', '2', '--out', join(disk, 'new')));
  const resumed = await run(...train('--resume', join(disk, 'run'), '--steps', '9'));
  rmSync(filler);
  for (const { exit, stderr } of [started, resumed]) {
    expect(exit, stderr).toBe(2);
    expect(stderr).toMatch(/cannot write to .*: no space is left on the device; make room there\n$/);
  }
  expect(readdirSync(disk, { recursive: true })).toEqual(before);
});

/** Runs the program where no file may be larger than so many KiB. */
function runLimited(kibibytes: number, argv: readonly string[]): Promise<Ended> {
  const entry = fileURLToPath(new URL('../src/cli/process.ts', import.meta.url));
  const node = [process.execPath, ...typescript, entry, ...argv];
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', `ulimit -f ${kibibytes}; exec "$@"`, 'bash', ...node], {
      cwd: place.path(''),
      env: { ...process.env, TMPDIR: place.path('') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => {
      stdout += text;
    });
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    child.on('close', (code) => resolve({ exit: code ?? -1, stdout, stderr }));
  });
}

test.skipIf(process.platform === 'win32')('a limit on the size of files', async () => {
  const out = place.path('limited');
  const first = await run(...train(...fresh, '--steps', '1', '--out', out));
  expect(first.exit).toBe(0);
  expectSaveFailed(await runLimited(64, train('--resume', out, '--steps', '2')), 2, out, 'the file would be too large');
  expectWhole(out, 1);
  // Written while steps run, and no loss of a rank: starting again would not help.
  const onTheWay = train('--resume', out, '--steps', '500', '--save-every', '1', '--restart', '3');
  expectSaveFailed(await runLimited(64, onTheWay), 2, out, 'the file would be too large');
  expectWhole(out, 1);
});

test.skipIf(!mounted)('a trace on a disk that fills ends the run with status 1 and says so', async () => {
  const trace = join(disk, 'trace.json');
  const filler = join(disk, 'trace-filler');
  const taken = readdirSync(disk, { recursive: true, encoding: 'utf8' }).reduce((sum, name) => {
    const info = statSync(join(disk, name));
    return sum + (info.isFile() ? info.size : 0);
  }, 0);
  writeFileSync(filler, Buffer.alloc(Math.max(0, 2 * 2 ** 20 - taken - 200_000)));
  const argv = ['train', '--data', place.path('text.txt'), '--layout', 'tp=1', ...fresh];
  const { exit, stderr } = await run(...argv, '--steps', '400', '--trace', trace, '--json');
  rmSync(filler);
  expect({ exit, lines: stderr.trim().split('\n').length }, stderr).toEqual({ exit: 1, lines: 1 });
  expect(stderr).toContain(`the trace ${trace} could not be written on: no space is left on the device; make room`);
  // What fitted is a trace.
  expect(JSON.parse(readFileSync(trace, 'utf8')).length).toBeGreaterThan(100);
  expect(readdirSync(disk).filter((name) => name.startsWith('trace'))).toEqual(['trace.json']);
});
