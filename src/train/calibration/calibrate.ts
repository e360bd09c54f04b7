// Measures this machine for predictions of runs on it: steps of training timed node by node on all cores, and calls between ranks by length.
import { availableParallelism, cpus, totalmem } from 'node:os';
import { type AbortSignalLike, throwIfAborted } from '../../abort-signal.ts';
import { groupKey, worldGroup } from '../../mesh/mesh.ts';
import { fitKernels, quantile } from '../../plan/cost/measured/fit-measured.ts';
import type { MeasuredMachine, MeasuredTalk } from '../../plan/hardware/measured-machine.ts';
import { availableMemory } from '../../runtime/available-memory.ts';
import { runWorld } from '../../runtime/world.ts';
import { createPool, type WorldPool } from '../../runtime/world-pool.ts';
import { talkOf } from '../../step/talk.ts';
import { type CalibrationCase, calibrationCases, probeName } from './cases.ts';
import { paceOf, turnsOf } from './pace.ts';
import type { TimedStep, TimedStepsJob, TimedStepsReport } from './timed-steps-rank.ts';
import type { TimedTalkJob } from './timed-talk-rank.ts';

export interface Calibrating {
  readonly signal?: AbortSignalLike | undefined;
  readonly pool?: WorldPool | undefined;
  /** Called before each measurement, and after the last. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

/** Rounds of steps take so long, besides compiling them. */
const stepSeconds = 24;
const aloneSeconds = 2;
/** Of the rounds, in progress, where compiling a step is 1. */
const roundsWeight = 40;
const timeoutSeconds = 120;
/** What a rank needs for all steps, and some more. */
const rankBytes = 2 ** 30;
const lengths = [64, 2 ** 12, 2 ** 15, 2 ** 18, 2 ** 20, 2 ** 22, 2 ** 24];
const calls = 24;
/** What is gathered from all ranks at most. */
const mostBytes = 2 ** 26;

const besides = (name: string): URL =>
  new URL(import.meta.url.endsWith('.ts') ? `./${name}.ts` : `./${name}.js`, import.meta.url);

/** Takes half a minute or a little more. Throws what runWorld throws. */
export async function calibrate({ signal, pool: given, onProgress }: Calibrating = {}): Promise<MeasuredMachine> {
  const cores = Math.max(1, Math.min(availableParallelism(), Math.floor(availableMemory() / rankBytes)));
  const pool = given ?? createPool();
  const cases = calibrationCases(cores);
  const sizes = groupSizes(cores);
  const total = cases.length + roundsWeight + 1 + sizes.length;
  let done = 0;
  const next = <T>(weight: number, measure: () => Promise<T>): Promise<T> => {
    throwIfAborted(signal);
    onProgress?.({ done, total });
    done += weight;
    return measure();
  };
  const run = { pool, ...(signal ? { signal } : {}) };
  try {
    const timed = await next(cases.length + roundsWeight, () =>
      timeSteps(cases, cores, stepSeconds, run, ({ compiled, share }) =>
        onProgress?.({ done: compiled + share * roundsWeight, total }),
      ),
    );
    const probe = cases.findIndex(({ name }) => name === probeName);
    const [alone] = await next(1, () => timeSteps([cases[probe]!], 1, aloneSeconds, run));
    const talk: MeasuredTalk[] = [];
    for (const ranks of sizes) talk.push(await next(1, () => timeTalk(ranks, run)));
    onProgress?.({ done, total });
    const kernels = fitKernels(timed.flatMap((step) => step.kernels));
    return {
      title: cpus()[0]?.model ?? 'unknown processor',
      cores,
      memoryBytes: totalmem(),
      kernels,
      alone: quantile(alone!.seconds, 0.5) / quantile(timed[probe]!.seconds, 0.5),
      pace: paceOf(cases, timed, kernels, cores),
      turns: turnsOf(cases, timed, cores),
      talk,
    };
  } finally {
    if (!given) await pool.close();
  }
}

/** Of groups: powers of two, and all cores. */
function groupSizes(cores: number): number[] {
  const sizes: number[] = [];
  for (let size = 2; size < cores; size *= 2) sizes.push(size);
  return cores > 1 ? [...sizes, cores] : [];
}

type Run = { readonly pool: WorldPool; readonly signal?: AbortSignalLike };

/** By step: kernels of all ranks, and until the last was through. */
async function timeSteps(
  steps: readonly CalibrationCase[],
  ranks: number,
  seconds: number,
  run: Run,
  onReport?: (report: TimedStepsReport) => void,
): Promise<TimedStep[]> {
  const job: TimedStepsJob = { steps, seconds };
  const talks = steps.map(({ settings }) => talkOf(settings));
  const groups = [...(ranks > 1 ? [worldGroup(ranks)] : []), ...talks.flatMap((talk) => talk.groups)];
  const results = (await runWorld({
    plan: {
      size: ranks,
      groups: [...new Map(groups.map((group) => [groupKey(group), group])).values()],
      channels: [],
      timeoutSeconds,
    },
    rankModule: besides('timed-steps-rank'),
    jobs: Array.from({ length: ranks }, () => job),
    onReport: (rank, message) => void (rank === 0 && onReport?.(message as TimedStepsReport)),
    ...run,
  })) as TimedStep[][];
  return steps.map((_, step) => ({
    kernels: results.flatMap((each) => each[step]!.kernels),
    seconds: results[0]![step]!.seconds.map((_, round) =>
      Math.max(...results.map((each) => each[step]!.seconds[round]!)),
    ),
  }));
}

/** Of each length the time of the rank that takes longest. */
async function timeTalk(ranks: number, run: Run): Promise<MeasuredTalk> {
  const job: TimedTalkJob = { lengths: lengths.filter((bytes) => ranks * bytes <= mostBytes), calls };
  const between = { capacityBytes: lengths.at(-1)!, messages: 4 };
  const results = (await runWorld({
    plan: {
      size: ranks,
      groups: [worldGroup(ranks)],
      channels: Array.from({ length: ranks >> 1 }, (_, pair) => ({ from: 2 * pair, to: 2 * pair + 1, ...between })),
      timeoutSeconds,
    },
    rankModule: besides('timed-talk-rank'),
    jobs: Array.from({ length: ranks }, () => job),
    ...run,
  })) as MeasuredTalk['seconds'][];
  const [first] = results as [MeasuredTalk['seconds']];
  const names = Object.keys(first) as (keyof typeof first)[];
  const slowest = (name: (typeof names)[number]) =>
    first[name].map(([bytes], i) => [bytes, Math.max(...results.map((each) => each[name][i]![1]))] as const);
  return {
    ranks,
    seconds: Object.fromEntries(names.map((name) => [name, slowest(name)])) as unknown as MeasuredTalk['seconds'],
  };
}
