// Restarts as the command line has them: what is said, and a command that goes on with its own run when it is given again.
import { mkdirSync } from 'node:fs';
import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { committedStep } from '../src/checkpoint/out-files.ts';
import { restartLine } from '../src/cli/results.ts';
import { runTraining } from '../src/cli/run-training.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { loseRanks } from './campaign/lose-ranks.ts';
import { createRandom } from './campaign/random.ts';
import { jsonLines, makeWorkplace, run, runWith } from './cli-fixture.ts';
import { savedNumbers } from './saved-numbers.ts';

const { path, remove } = makeWorkplace();
afterAll(remove);

const command = (out: string, ...more: string[]): string[] => [
  ...['train', '--data', path('text.txt'), '--model', path('config.json'), '--seq-len', '8', '--global-batch', '4'],
  ...[
    '--layout',
    'tp=1',
    '--precision',
    'f64',
    '--steps',
    '30',
    '--save-every',
    '2',
    '--out',
    path(out),
    '--json',
    ...more,
  ],
];

test('the same command goes on with its run, to the end that it would have had', async () => {
  const whole = await run(...command('whole'));
  const stop = new AbortController();
  const argv = command('stopped', '--restart', '0');
  const poll = setInterval(() => committedStep(path('stopped')) !== undefined && stop.abort(new Error('enough')), 5);
  const stopped = await runWith(stop.signal, ...argv).finally(() => clearInterval(poll));
  expect(stopped.exit).not.toBe(0);
  const saved = committedStep(path('stopped'))!;
  expect(saved).toBeLessThan(30);

  const refused = await run(...command('stopped'));
  expect(refused).toMatchObject({
    exit: 2,
    stdout: '',
    stderr: expect.stringContaining('already holds a run; pass --resume'),
  });
  const another = await run(...argv, '--set', 'hidden_size=16');
  expect(another).toMatchObject({ exit: 2, stdout: '', stderr: expect.stringContaining('already holds a run') });

  const goneOn = await run(...argv);
  expect({ exit: goneOn.exit, stderr: goneOn.stderr }).toEqual({ exit: 0, stderr: '' });
  const lines = (stdout: string) =>
    jsonLines(stdout).flatMap(({ step, loss }) => (step === undefined ? [] : [[step, loss]]));
  expect(lines(goneOn.stdout)).toEqual(lines(whole.stdout).slice(saved));
  expect(savedNumbers(path('stopped'))).toEqual(savedNumbers(path('whole')));

  // Once more: there is nothing left to do.
  const over = await run(...argv);
  expect({ exit: over.exit, stderr: over.stderr }).toEqual({ exit: 0, stderr: '' });
  expect(jsonLines(over.stdout)).toMatchObject([{ done: true, tokensPerSecond: 0 }]);
  expect(savedNumbers(path('stopped'))).toEqual(savedNumbers(path('whole')));
});

test('a run that goes on into another directory goes on there; what is not its own there is refused', async () => {
  const first = await run(...command('first', '--steps', '4', '--decay-steps', '8'));
  expect(first.exit, first.stderr).toBe(0);
  const into = (resume: string) => [
    ...['train', '--resume', path(resume), '--steps', '8', '--out', path('second'), '--restart', '1', '--json'],
  ];
  expect((await run(...into('first'))).exit).toBe(0);
  const again = await run(...into('first'));
  expect({ exit: again.exit, lines: jsonLines(again.stdout).length }, again.stderr).toEqual({ exit: 0, lines: 1 });
  await run(...command('other', '--steps', '2', '--seed', '5'));
  expect(await run(...into('other'))).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining('already holds a run'),
  });
});

test('a lost rank is said in a line, and the bar goes on from the checkpoint', async () => {
  const chunks: string[] = [];
  const stderr = new Writable({
    write(chunk, _, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const io = { stdout: stderr, stderr, signal: new AbortController().signal, program: 'fivefold' };
  const pool = createPool();
  let taken: ReturnType<typeof pool.take> = [];
  let lost = false;
  const take = (count: number) => {
    taken = pool.take(count);
    return [...taken];
  };
  const restarts: unknown[] = [];
  const options = {
    ...{ data: path('text.txt'), model: path('config.json'), seqLen: 8, globalBatch: 4, steps: 6, layout: 'tp=2' },
    ...{ out: path('lost'), saveEvery: 2, restart: 3, pool: { ...pool, take } },
    onReport({ kind, ...report }: { readonly kind: string; readonly step?: number }) {
      if (kind !== 'saved' || report.step !== 2 || lost) return;
      lost = true;
      void taken[1]!.terminate();
    },
  };
  const onRestart = (report: Parameters<typeof restartLine>[0]) => restarts.push(restartLine(report));
  await runTraining({ options, quiet: false, introduce: true, onRestart }, io).finally(() => pool.close());
  const said = chunks.join('').split('\n');
  // It may have saved another step before it ended.
  expect(said.filter((line) => line.startsWith('rank 1 was lost (its thread exited with status 1'))).toEqual([
    expect.stringMatching(/; going on from step [24], 2 restarts left$/),
  ]);
  expect(said.filter((line) => line.startsWith('llama, ')).length).toBe(1);
  expect(restarts).toEqual([
    {
      restart: {
        rank: 1,
        problem: expect.any(String),
        step: expect.any(Number),
        layout: 'tp=2',
        givenUp: false,
        left: 2,
      },
    },
  ]);
});

test('ranks and processes killed at any moment change nothing of what comes out', async () => {
  mkdirSync(path('killed'));
  const { ranks, processes, wrong } = await loseRanks({
    random: createRandom(3),
    kills: 3,
    steps: 40,
    runs: [{ layout: 'ep=2', biasRate: 0.01 }],
    data: path('text.txt'),
    folder: path('killed'),
  });
  expect(wrong).toEqual([]);
  expect(ranks + processes).toBeGreaterThanOrEqual(3);
});
