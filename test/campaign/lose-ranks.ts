// Ends ranks of runs, and the runs themselves (SIGKILL), at moments a seed chooses, with nothing done but giving the same command again:
// the weights are those of a run that nothing happened to.
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { committedStep } from '../../src/checkpoint/out-files.ts';
import { parseLayout } from '../../src/mesh/layout.ts';
import { type TrainOptions, train } from '../../src/train/train.ts';
import { savedNumbers } from '../saved-numbers.ts';
import { tinyLlama } from '../tiny-llama.ts';
import { tinyMixtral } from '../tiny-mixtral.ts';
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

type LosingRun = TrainOptions & { readonly layout: string };

/** Every axis, ZeRO, replicas that take steps of their own, and of routers what they save, what they drop and who chooses. */
export const runsToLose = [
  { layout: 'tp=2' },
  { layout: 'dp=2,zero=1' },
  { layout: 'pp=2' },
  { layout: 'cp=2,zero=3' },
  { layout: 'dp=2', syncEvery: 2 },
  { layout: 'ep=2', biasRate: 0.01 },
  { layout: 'ep=2,dp=2,zero=2', auxLoss: 0.1, capacity: 1 },
  { layout: 'tp=2,ep=2', routing: 'experts' },
  { layout: 'ep=2,dp=2', syncEvery: 2 },
] as const satisfies readonly LosingRun[];

const program = fileURLToPath(new URL('./losing-run.ts', import.meta.url));

/** Each of these runs, with its share of the kills, and again until there were so many; a run that has begun is played to its end. */
export async function loseRanks(options: {
  readonly random: Random;
  readonly kills: number;
  readonly steps: number;
  readonly data: string;
  readonly folder: string;
  readonly runs?: readonly LosingRun[];
  readonly onProgress?: (done: number) => void;
}): Promise<LossReport> {
  const { random, kills, steps, data, folder, runs = runsToLose } = options;
  const count = { ranks: 0, processes: 0, crashes: 0, runs: 0 };
  const wrong: string[] = [];
  const whole = new Map<string, readonly string[]>();
  const configs = { llama: join(folder, 'llama.json'), mixtral: join(folder, 'mixtral.json') };
  writeFileSync(configs.llama, JSON.stringify(tinyLlama));
  writeFileSync(configs.mixtral, JSON.stringify(tinyMixtral));
  const killed = (): number => count.ranks + count.processes;
  while (killed() < kills || count.runs < runs.length) {
    const drawn = runs[count.runs % runs.length]!;
    const name = JSON.stringify(drawn);
    const model = parseLayout(drawn.layout).ep > 1 ? configs.mixtral : configs.llama;
    const settings: TrainOptions = {
      ...{ model, data, steps, seqLen: 16, globalBatch: 4, precision: 'f64', ...drawn },
      ...{ saveEvery: Math.max(2, Math.floor(steps / 40)), restart: 10_000, timeoutSeconds: 30 },
    };
    if (!whole.has(name)) {
      const out = join(folder, `untouched-${whole.size}`);
      await train({ ...settings, out });
      whole.set(name, savedNumbers(out));
    }
    const out = join(folder, `losing-${count.runs++}`);
    mkdirSync(out, { recursive: true });
    const share = killed() + Math.ceil(kills / runs.length);
    for (let starts = 1; ; starts++) {
      // Enough: the run may end.
      const spared = killed() >= share;
      const ended = await start({ ...settings, out }, spared ? undefined : random, () => {
        count.ranks++;
        options.onProgress?.(killed());
      });
      if (ended.signal !== null) {
        if (ended.signal === 'SIGKILL') count.processes++;
        else count.crashes++;
        options.onProgress?.(killed());
        continue;
      }
      const run = `run ${count.runs} (${name}), start ${starts}`;
      if (ended.exit !== 0)
        wrong.push(`${run}: ended with status ${ended.exit} after ${killed()} kills: ${ended.stderr}`);
      else if (committedStep(out) !== steps) wrong.push(`${run}: ended at step ${committedStep(out)}`);
      else if (savedNumbers(out).join() !== whole.get(name)!.join())
        wrong.push(`${run}: other weights or moments than those of a run that nothing happened to`);
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
