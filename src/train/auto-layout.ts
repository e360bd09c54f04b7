// Chooses a layout for one machine: of all that divide the model and the batch and fit in memory, the one whose step is estimated to be
// shortest.
import { FivefoldError } from '../errors.ts';
import { type Layout, oneRank } from '../mesh/layout.ts';
import { replicasOf, worldSize } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import { divisors } from '../model/fit.ts';
import { estimateStep, type StepRates } from '../plan/estimate-step.ts';
import { fitsTraining, isPlannable } from '../plan/machine.ts';
import { stageWork } from '../plan/stage-work.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { MachineRates } from '../runtime/machine-rates.ts';
import { play } from '../schedule/play.ts';
import { scheduleOf } from '../schedule/schedules.ts';
import type { StepSettings } from '../step/settings.ts';
import { divide } from './division.ts';

/** What a layout is chosen from. */
export interface LayoutChoice {
  readonly config: ModelConfig;
  readonly seqLen: number;
  readonly globalBatch: number;
  /** `defaultMicroBatch` when not given. */
  readonly microBatch?: number | undefined;
  readonly precision: Precision;
  /** What an objective and replicas that take steps of their own change of a step's settings. */
  readonly ofStep?: Partial<StepSettings>;
  readonly cores: number;
  /** So many, whatever the cores; undefined: no more than there are cores. */
  readonly ranks?: number | undefined;
  /** So many places of dp, each with a rank at least; undefined: any number. */
  readonly replicas?: number | undefined;
  /** Of at least as many ranks as a layout may have. */
  readonly speeds?: readonly number[] | undefined;
  /** What the whole run may take. */
  readonly memoryBytes: number;
}

export interface AutoLayoutOptions extends LayoutChoice {
  /** Of as many ranks as a layout may have. */
  readonly rates: MachineRates;
}

/** A layout that fits, and how long its step is estimated to take. */
export interface Estimated {
  readonly layout: Layout;
  readonly seconds: number;
}

export interface AutoLayout extends Estimated {
  /** The best of those that are laid out over other axes, or run in another order. */
  readonly next?: Estimated;
}

/** Of the layouts that may be the best, how many have been looked at. */
export interface Estimating {
  readonly done: number;
  readonly total: number;
}

/**
 * Of equally short ones the one with the most replicas, then tp, then cp. Only what memory cannot hold otherwise is shared out (zero=1,
 * zero=3) or computed anew (recompute). When nothing fits, {@link layoutOfNone}.
 */
export function autoLayout(options: AutoLayoutOptions): AutoLayout {
  const search = searchLayouts(options);
  for (;;) {
    const { done, value } = search.next();
    if (done) return value;
  }
}

/** The same, which takes seconds where ranks are many: it stops at every layout, to be gone on with. */
export function* searchLayouts(options: AutoLayoutOptions): Generator<Estimating, AutoLayout, void> {
  const wanted = [...dividing(options)];
  const none = { layout: layoutOfNone(options), seconds: Number.NaN };
  if (wanted.length === 0) return none;
  const least = leastTimes(options);
  const byTime = wanted
    .map((each) => ({ ...each, atLeast: least(each.settings) }))
    .sort((a, b) => a.atLeast - b.atLeast);
  const found: Estimated[] = [];
  const secondsOf = (settings: StepSettings) => estimateStep(settings, ratesFor(settings, options));
  // What cannot be among the two best is not looked at closer.
  const isSlow = (seconds: number) => found.length > 1 && seconds >= found[1]!.seconds;
  for (const [done, { layout, settings, atLeast }] of byTime.entries()) {
    yield { done, total: byTime.length };
    if (isSlow(atLeast)) break;
    if (isSlow(secondsOf(settings))) continue;
    const fitting = leaner(layout, options.ofStep?.outer === undefined)
      .map((each) => ({ layout: each, settings: dividedBy(each, options)! }))
      .find((each) => fitsTraining(each.settings, options.memoryBytes));
    if (!fitting) continue;
    found.push({ layout: fitting.layout, seconds: secondsOf(fitting.settings) });
    found.sort((a, b) => a.seconds - b.seconds);
  }
  const [best, next] = found;
  return best ? { ...best, ...(next ? { next } : {}) } : none;
}

/** Whether there is a layout that divides the model and the batch, and may fit. */
export const isThereAny = (choice: LayoutChoice): boolean => dividing(choice).next().done !== true;

/** Of a layout. */
export const mostRanks = ({ ranks, cores, replicas = 1 }: LayoutChoice): number => ranks ?? Math.max(cores, replicas);

/** Where nothing fits: `train` refuses it and says what would. Of one rank, unless there have to be more. */
export const layoutOfNone = ({ ranks, replicas = 1 }: LayoutChoice): Layout => ({ ...oneRank, dp: ranks ?? replicas });

interface Divided {
  readonly layout: Layout;
  readonly settings: StepSettings;
}

/** The layouts that divide the model and the batch, less those for which memory is too short by far; the most wanted first. */
function* dividing(choice: LayoutChoice): Generator<Divided> {
  const { ranks, replicas, ofStep, config, memoryBytes } = choice;
  for (const grid of grids(mostRanks(choice))) {
    if (ranks !== undefined && worldSize(grid) !== ranks) continue;
    for (const shared of [grid, ...(config.mixture ? sharingExperts(grid) : [])]) {
      if (replicas === undefined ? shared.dp === 1 && ofStep?.outer : shared.dp !== replicas) continue;
      for (const layout of inAllOrders(shared)) {
        const settings = dividedBy(layout, choice);
        if (settings && isPlannable(settings, memoryBytes)) yield { layout, settings };
      }
    }
  }
}

/** Every grid of at most so many ranks, the most wanted first. */
export function grids(cores: number): Layout[] {
  const found: Layout[] = [];
  for (let dp = 1; dp <= cores; dp++)
    for (let tp = 1; dp * tp <= cores; tp++)
      for (let cp = 1; dp * tp * cp <= cores; cp++)
        for (let pp = 1; dp * tp * cp * pp <= cores; pp++) found.push({ ...oneRank, dp, tp, cp, pp });
  return found.sort((a, b) => worldSize(b) - worldSize(a) || b.dp - a.dp || b.tp - a.tp || b.cp - a.cp);
}

/** The same with replicas that share the experts out: all of them, or groups. */
const sharingExperts = (grid: Layout): Layout[] =>
  divisors(grid.dp)
    .filter((ep) => ep > 1)
    .map((ep) => ({ ...grid, ep, dp: grid.dp / ep }));

/** The ways in which ranks of cp can attend, and stages work. */
function inAllOrders(grid: Layout): Layout[] {
  const attending: Layout[] = grid.cp > 1 ? [grid, { ...grid, cpMode: 'ulysses' }] : [grid];
  if (grid.pp === 1) return attending;
  return attending.flatMap((layout): Layout[] => [layout, { ...layout, virtual: 2 }, { ...layout, schedule: 'zb-h1' }]);
}

/** The layout, then the same with less held on each rank, what costs least time first. */
function leaner(layout: Layout, canShare: boolean): Layout[] {
  const shared = canShare && replicasOf(layout) * layout.cp > 1;
  const zero1: Layout = { ...layout, zero: 1 };
  const zero3: Layout = { ...layout, zero: 3 };
  const anew = (each: Layout, policy: 'selective' | 'full'): Layout => ({ ...each, recompute: { policy } });
  return [
    layout,
    ...(shared ? [zero1] : []),
    anew(layout, 'selective'),
    ...(shared ? [anew(zero1, 'selective')] : []),
    anew(layout, 'full'),
    ...(shared ? [anew(zero1, 'full'), zero3, anew(zero3, 'full')] : []),
  ];
}

/** A step in this layout; undefined where something does not divide. */
function dividedBy(layout: Layout, options: LayoutChoice): StepSettings | undefined {
  const { config, seqLen, globalBatch, microBatch, precision, ofStep, speeds } = options;
  const step = { config, layout, seqLen, precision, ...ofStep };
  try {
    const { notes: _, ...division } = divide({
      ...step,
      globalBatch,
      microBatch: { given: microBatch },
      ...(speeds ? { speeds: speeds.slice(0, worldSize(layout)) } : {}),
    });
    return { ...step, ...division };
  } catch (error) {
    if (error instanceof FivefoldError) return undefined;
    throw error;
  }
}

/** The more ranks compute, the slower each may be: in between as on a line. */
function ratesFor({ layout }: StepSettings, { cores, rates }: AutoLayoutOptions): StepRates {
  const { alone, together, talk } = rates;
  const others = together.length > 1 ? (worldSize(layout) - 1) / (together.length - 1) : 0;
  const crowded = Math.max(1 / alone, 1 / Math.max(...together));
  return { secondsPerFlop: 1 / alone + others * (crowded - 1 / alone), ...talk, cores };
}

/** What a step takes at least: all its work, shared out to all ranks at their speeds, and what its pipeline has of empty places. */
function leastTimes(options: AutoLayoutOptions): (settings: StepSettings) => number {
  const { config, seqLen, precision, ofStep, globalBatch } = options;
  const one = { config, seqLen, precision, ...ofStep, layout: oneRank, microBatch: 1, microbatches: 1 };
  const { layers, head } = stageWork(one);
  // Blocks of attention may be cut more closely on several ranks.
  const flops = 0.95 * globalBatch * (head + layers.reduce((sum, each) => sum + each, 0));
  return (settings) => {
    const { layout, microbatches, speeds } = settings;
    const ranks = speeds ? speeds.reduce((sum, speed) => sum + speed, 0) : worldSize(layout);
    const busy = speeds ? 1 : 1 - emptyShare(layout, microbatches);
    return (flops * ratesFor(settings, options).secondsPerFlop) / ranks / busy;
  };
}

/** Of the time of stages that have equally much to do. */
const emptyShare = (layout: Layout, microbatches: number): number =>
  play(scheduleOf(layout, microbatches), {
    workSeconds: (_, { kind }) => ({ forward: 1, backward: 2, inputGradient: 1, weightGradient: 1 })[kind],
  }).bubbleFraction;
