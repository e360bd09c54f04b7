// Measures this machine for predictions of runs on it: steps of training timed node by node on all cores, and calls between ranks by length.
import { availableParallelism, cpus, totalmem } from 'node:os';
import { type AbortSignalLike, throwIfAborted } from '../../abort-signal.ts';
import { worldGroup, worldSize } from '../../mesh/mesh.ts';
import { fitKernels, lowerQuartile, type TimedKernel } from '../../plan/cost/measured/fit-measured.ts';
import type { MeasuredMachine, MeasuredTalk } from '../../plan/hardware/measured-machine.ts';
import { runWorld } from '../../runtime/world.ts';
import { createPool, type WorldPool } from '../../runtime/world-pool.ts';
import { talkOf } from '../../step/talk.ts';
import { type CalibrationCase, calibrationCases } from './cases.ts';
import type { TimedStepJob } from './timed-step-rank.ts';
import type { TimedTalkJob } from './timed-talk-rank.ts';

export interface Calibrating {
  readonly signal?: AbortSignalLike | undefined;
  readonly pool?: WorldPool | undefined;
  /** Called before each measurement, and after the last. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

/** Steps of each case take at least so long, besides compiling. */
const stepSeconds = 0.6;
const timeoutSeconds = 120;
const lengths = [64, 2 ** 12, 2 ** 15, 2 ** 18, 2 ** 20, 2 ** 22, 2 ** 24];
const calls = 24;

const besides = (name: string): URL =>
  new URL(import.meta.url.endsWith('.ts') ? `./${name}.ts` : `./${name}.js`, import.meta.url);

/** Takes half a minute. Throws what runWorld throws. */
export async function calibrate({ signal, pool: given, onProgress }: Calibrating = {}): Promise<MeasuredMachine> {
  const cores = availableParallelism();
  const pool = given ?? createPool();
  const cases = calibrationCases(cores);
  const sizes = groupSizes(cores);
  const total = cases.length + 1 + sizes.length;
  let done = 0;
  const next = <T>(measure: () => Promise<T>): Promise<T> => {
    throwIfAborted(signal);
    onProgress?.({ done: done++, total });
    return measure();
  };
  const run = { pool, ...(signal ? { signal } : {}) };
  try {
    const timed: TimedKernel[][] = [];
    for (const each of cases) timed.push(await next(() => timeStep(each, cores, run)));
    const probe = cases.findIndex(({ name }) => name === probeName);
    const alone = await next(() => timeStep(cases[probe]!, 1, run));
    const talk: MeasuredTalk[] = [];
    for (const ranks of sizes) talk.push(await next(() => timeTalk(ranks, run)));
    onProgress?.({ done, total });
    return {
      title: cpus()[0]?.model ?? 'unknown processor',
      cores,
      memoryBytes: totalmem(),
      kernels: fitKernels(timed.flat()),
      alone: paceOf(alone, timed[probe]!),
      talk,
    };
  } finally {
    if (!given) await pool.close();
  }
}

/** Timed on one rank too. */
const probeName = 'llama 512, longer';

/** Of groups: powers of two, and all cores. */
function groupSizes(cores: number): number[] {
  const sizes: number[] = [];
  for (let size = 2; size < cores; size *= 2) sizes.push(size);
  return cores > 1 ? [...sizes, cores] : [];
}

type Run = { readonly pool: WorldPool; readonly signal?: AbortSignalLike };

async function timeStep({ settings }: CalibrationCase, cores: number, run: Run): Promise<TimedKernel[]> {
  const ranks = worldSize(settings.layout) > 1 ? worldSize(settings.layout) : cores;
  const { groups, channels } = talkOf(settings);
  const job: TimedStepJob = { settings, seconds: stepSeconds };
  const all = [...new Map([worldGroup(ranks), ...groups].map((group) => [JSON.stringify(group), group])).values()];
  const results = await runWorld({
    plan: { size: ranks, groups: ranks > 1 ? all : [], channels, timeoutSeconds },
    rankModule: besides('timed-step-rank'),
    jobs: Array.from({ length: ranks }, () => job),
    ...run,
  });
  return slowest(results as TimedKernel[][]);
}

/** Ranks meet again and again: of what they do alike the time of the slowest counts, each time. What only one does stands for itself. */
function slowest([first, ...others]: readonly TimedKernel[][]): TimedKernel[] {
  const isAlike = (other: readonly TimedKernel[]): boolean =>
    other.length === first!.length &&
    other.every(({ kernel, seconds }, i) => {
      const own = first![i]!;
      return seconds.length === own.seconds.length && JSON.stringify(kernel) === JSON.stringify(own.kernel);
    });
  const alike = others.filter(isAlike);
  const rest = others.filter((other) => !isAlike(other)).flat();
  const together = first!.map(({ kernel, seconds }, i) => ({
    kernel,
    seconds: seconds.map((own, time) => Math.max(own, ...alike.map((other) => other[i]!.seconds[time]!))),
  }));
  return [...together, ...rest];
}

/** Of each length the time of the rank that takes longest. */
async function timeTalk(ranks: number, run: Run): Promise<MeasuredTalk> {
  const job: TimedTalkJob = { lengths, calls };
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

/** Of the same kernels, each once: what they take where one rank works, over what they take where all do. */
function paceOf(alone: readonly TimedKernel[], together: readonly TimedKernel[]): number {
  const all = (timed: readonly TimedKernel[]) => timed.reduce((sum, { seconds }) => sum + lowerQuartile(seconds), 0);
  return all(alone) / all(together);
}
