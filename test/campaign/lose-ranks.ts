// Ends ranks of runs, and the runs themselves (SIGKILL), at moments a seed chooses, with nothing done but giving the same command again:
// the weights are those of a run that nothing happened to.
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { committedStep } from '../../src/checkpoint/out-files.ts';
import { type TrainOptions, train } from '../../src/train/train.ts';
import { savedNumbers } from '../saved-numbers.ts';
import type { Random } from './random.ts';

export interface LossReport {
  /** Ranks that were ended. */
  readonly ranks: number;
  /** Processes that were. */
  readonly processes: number;
  /** Processes that a rank took with it: ended from outside while arguments are passed to ONNX Runtime, a thread can break V8. */
  readonly crashes: number;
  /** Whole runs in which that happened. */
  readonly runs: number;
  readonly wrong: readonly string[];
}

/** The replicas of the last take steps of their own. */
const layouts = ['tp=2', 'dp=2,zero=1', 'pp=2', 'dp=2,zero=3', 'dp=2'] as const;
const program = fileURLToPath(new URL('./losing-run.ts', import.meta.url));

/** Runs of so many steps, one after the other, until there were so many kills and the last run has ended. */
export async function loseRanks(options: {
  readonly random: Random;
  readonly kills: number;
  readonly steps: number;
  readonly model: string;
  readonly data: string;
  readonly folder: string;
  readonly onProgress?: (done: number) => void;
}): Promise<LossReport> {
  const { random, kills, steps, model, data, folder } = options;
  const count = { ranks: 0, processes: 0, crashes: 0, runs: 0 };
  const wrong: string[] = [];
  const whole = new Map<string, readonly string[]>();
  const settingsOf = (layout: string, out: string): TrainOptions => ({
    ...{ model, data, layout, steps, out, seqLen: 16, globalBatch: 4, precision: 'f64' },
    ...{ saveEvery: Math.max(2, Math.floor(steps / 40)), restart: 10_000, timeoutSeconds: 30 },
    ...(layout === 'dp=2' ? { syncEvery: 2 } : {}),
  });
  while (count.ranks + count.processes < kills) {
    const layout = random.pick(layouts);
    const untouched = join(folder, `untouched-${layout}`);
    if (!whole.has(layout)) {
      await train(settingsOf(layout, untouched));
      whole.set(layout, savedNumbers(untouched));
    }
    const out = join(folder, `losing-${count.runs++}`);
    mkdirSync(out, { recursive: true });
    for (let starts = 0; ; starts++) {
      const before = count.ranks + count.processes;
      // Enough: the run may end.
      const spared = before >= kills;
      const ended = await start(settingsOf(layout, out), spared ? undefined : random, () => {
        count.ranks++;
        options.onProgress?.(count.ranks + count.processes);
      });
      if (ended.signal !== null) {
        if (ended.signal === 'SIGKILL') count.processes++;
        else count.crashes++;
        options.onProgress?.(count.ranks + count.processes);
        continue;
      }
      const name = `run ${count.runs} (${layout}), start ${starts + 1}`;
      if (ended.exit !== 0)
        wrong.push(`${name}: ended with status ${ended.exit} after ${before} kills: ${ended.stderr}`);
      else if (committedStep(out) !== steps) wrong.push(`${name}: ended at step ${committedStep(out)}`);
      else if (savedNumbers(out).join() !== whole.get(layout)!.join())
        wrong.push(`${name}: other weights or moments than those of a run that nothing happened to`);
      break;
    }
    rmSync(out, { recursive: true, force: true });
  }
  return { ...count, wrong };
}

/** Starts the command, which loses ranks, and kills it after as many of its lines and then milliseconds as are drawn. */
function start(
  settings: TrainOptions,
  random: Random | undefined,
  onLoss: () => void,
): Promise<{ readonly signal: string | null; readonly exit: number | null; readonly stderr: string }> {
  const seed = random ? random.below(2 ** 31) : 'none';
  const kill = random && { afterLines: random.below(60), milliseconds: random.below(random.pick([30, 1500])) };
  return new Promise((resolve, reject) => {
    const argv = ['--import', import.meta.resolve('tsx'), program, `${seed}`, JSON.stringify(settings)];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [lines, stderr] = [0, ''];
    const killSoon = () => setTimeout(() => child.kill('SIGKILL'), kill!.milliseconds);
    if (kill?.afterLines === 0) killSoon();
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.includes('"kind":"restart"')) onLoss();
      lines++;
      if (lines === kill?.afterLines) killSoon();
    });
    child.on('error', reject);
    child.on('close', (exit, signal) => resolve({ signal, exit, stderr: stderr.trim() }));
  });
}
