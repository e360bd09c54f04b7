// Whether a run fits one machine: its ranks, the length of its program and its memory, with what to change if it does not.
import { fail, option } from '../errors.ts';
import { type Layout, printLayout, type Zero } from '../mesh/layout.ts';
import { replicasOf, worldSize } from '../mesh/mesh.ts';
import type { Recompute } from '../mesh/recompute.ts';
import { divisors } from '../model/fit.ts';
import { expertWeights, matrixWeights } from '../model/weights.ts';
import { elementBytes } from '../program/program.ts';
import { alikeReplicas, type StepSettings, sequencesPerStep } from '../step/settings.ts';
import { estimateGeneration, estimateTraining, type MemoryEstimate } from './memory.ts';
import { checkPasses, isShort } from './passes.ts';

/** Threads of one process. */
export const mostRanks = 1024;
/** Runs stay within 10 % of their estimate (test/resident-memory.test.ts): one of which so much is not there cannot run. */
const leastShare = 0.9;

export const fits = ({ total }: MemoryEstimate, availableBytes: number): boolean =>
  leastShare * total <= availableBytes;

/** Whether a run is short enough to plan and fits in memory. */
export function fitsTraining(settings: StepSettings, availableBytes: number): boolean {
  const { layout } = settings;
  if (worldSize(layout) > mostRanks || !isShort(settings)) return false;
  return hasRoom(settings, availableBytes);
}

/** Whether it can be looked at closer: it is short enough, and even with all shared out its weights have room. */
export const isPlannable = (settings: StepSettings, availableBytes: number): boolean =>
  worldSize(settings.layout) <= mostRanks &&
  isShort(settings) &&
  leastShare * sum(leastOf({ ...settings, layout: { ...settings.layout, zero: 3 } })) <= availableBytes;

/** What needs too much is not even traced: its program may be as long as its sequences are. */
const hasRoom = (settings: StepSettings, availableBytes: number): boolean =>
  leastShare * sum(leastOf(settings)) <= availableBytes && fits(estimateTraining(settings), availableBytes);

/** Known without a program: weights, gradients and two moments, and of activations the input of every layer. */
function leastOf({ config, layout, microBatch, seqLen, precision }: StepSettings) {
  const copies = (replicas: number) => {
    const of = (sharedFrom: Zero) => (layout.zero >= sharedFrom ? 1 : replicas);
    return of(3) + of(2) + 2 * of(1);
  };
  // Ranks of ep share experts out.
  const experts = layout.ep > 1 ? expertWeights(config) : 0;
  const state = copies(replicasOf(layout)) * (matrixWeights(config) - experts) + copies(layout.dp) * experts;
  const inputs = config.layers * replicasOf(layout) * microBatch * seqLen * config.hiddenSize;
  const width = elementBytes('float', precision);
  return { state: state * width, activations: inputs * width };
}

const sum = (parts: Readonly<Record<string, number>>): number => Object.values(parts).reduce((a, b) => a + b, 0);

/** Throws OPTION_INVALID for a step that is too long to plan. */
export const checkLength = (settings: StepSettings, availableBytes: number): void =>
  checkPasses(settings, (tried) => hasRoom(tried, availableBytes));

/** Throws OPTION_INVALID or MEMORY_SHORT. `known`: what the run takes, if more than its training step. */
export function checkTrainingFits(settings: StepSettings, availableBytes: number, known?: MemoryEstimate): void {
  checkRanks(settings);
  checkLength(settings, availableBytes);
  const least = leastOf(settings);
  if (leastShare * sum(least) > availableBytes)
    refuse(sum(least), least, availableBytes, trainingFix(settings, availableBytes));
  const estimate = known ?? estimateTraining(settings);
  if (!fits(estimate, availableBytes))
    refuse(estimate.total, partsOf(estimate), availableBytes, trainingFix(settings, availableBytes));
}

/** Throws OPTION_INVALID or MEMORY_SHORT. `promptTokens`: of the window, how many are given. */
export function checkGenerationFits(settings: StepSettings, promptTokens: number, availableBytes: number): void {
  checkRanks(settings);
  const estimate = estimateGeneration(settings);
  if (!fits(estimate, availableBytes))
    refuse(estimate.total, partsOf(estimate), availableBytes, generationFix(settings, promptTokens, availableBytes));
}

/** Throws OPTION_INVALID. */
export function checkRanks({ layout }: Pick<StepSettings, 'layout'>): void {
  const ranks = worldSize(layout);
  if (ranks > mostRanks)
    fail('OPTION_INVALID', {
      option: option('layout'),
      problem: `${printLayout(layout)} has ${ranks} ranks, and one machine runs at most ${mostRanks}`,
      fix: `make the product of its axes ${mostRanks} or less`,
    });
}

const partsOf = ({ total: _, processBytes: __, ...parts }: MemoryEstimate) => parts;

const refuse = (
  neededBytes: number,
  parts: Readonly<Record<string, number>>,
  availableBytes: number,
  fix: string,
): never => fail('MEMORY_SHORT', { neededBytes, parts, availableBytes, fix });

/** The same split with less held on each rank: more shared out, more computed anew. */
function leanerLayouts(settings: StepSettings): Layout[] {
  const { layout, outer, microBatch } = settings;
  const full: Recompute = { policy: 'full' };
  // With zero=3 replicas have as many microbatches each.
  const isEven = sequencesPerStep(settings) % (replicasOf(layout) * microBatch) === 0;
  const shared = ([1, 3] as const)
    .filter((zero) => replicasOf(layout) > 1 && !outer && zero > layout.zero && (zero === 1 || isEven))
    .map((zero) => ({ ...layout, zero }));
  const anew =
    layout.recompute.policy === 'full' ? [] : [layout, ...shared].map((each) => ({ ...each, recompute: full }));
  return [...shared, ...anew];
}

/** What keeps the result first: smaller microbatches, sharing and recomputing, then no replicas; then shorter sequences. */
function trainingFix(given: StepSettings, availableBytes: number): string {
  const settings = alikeReplicas(given);
  const { layout, microBatch, microbatches, seqLen } = settings;
  const possible = (changed: Partial<StepSettings>): boolean => {
    const tried = { ...settings, ...changed };
    // A schedule out of a file is for one number of microbatches.
    const isForFile = layout.schedule !== 'file' || tried.microbatches === microbatches;
    return isForFile && isShort(tried) && hasRoom(tried, availableBytes);
  };
  const all = microBatch * microbatches;
  const sizes = divisors(given.shares ? microBatch : all);
  const smaller = sizes
    .filter((size) => size < microBatch)
    .findLast((size) => possible({ microBatch: size, microbatches: all / size }));
  if (smaller !== undefined) return `use ${option('microBatch')} ${smaller}`;
  const leaner = leanerLayouts(given).find((tried) => possible({ layout: tried }));
  if (leaner) return `use ${option('layout')} ${printLayout(leaner)}`;
  // Without replicas, unless they take steps of their own or speeds are of so many ranks, and with the smallest microbatches, a step takes
  // the least.
  const fewest = settings.outer || given.speeds ? layout : { ...layout, ep: 1, dp: 1 };
  const isFewer = replicasOf(fewest) < replicasOf(layout);
  const sequences = isFewer ? sequencesPerStep(given) / replicasOf(fewest) : all;
  const unit = layout.sp ? layout.tp : 1;
  const inMicrobatches = (size: number) => ({ microBatch: size, microbatches: sequences / size });
  const size =
    (isFewer ? divisors(sequences) : sizes).find((each) =>
      isShort({ ...settings, seqLen: unit, ...inMicrobatches(each) }),
    ) ?? microBatch;
  const least = { layout: fewest, ...inMicrobatches(size) };
  const changes = [
    ...(isFewer ? [`${option('layout')} ${printLayout(least.layout)}`] : []),
    ...(size !== microBatch ? [`${option('microBatch')} ${size}`] : []),
  ];
  if (isFewer && possible(least)) return `use ${changes.join(' and ')}`;
  if (settings.precision === 'f64' && possible({ precision: 'f32' })) return useF32;
  const length = unit * largest(seqLen / unit, (units) => possible({ ...least, seqLen: units * unit }));
  if (length > 0) return `use ${[`${option('seqLen')} ${length}`, ...changes].join(' and ')}`;
  if (settings.precision === 'f64' && possible({ ...least, precision: 'f32' }))
    return [useF32, ...changes].join(' and ');
  return 'use a smaller model: every layout of one machine holds all of its weights, gradients and optimizer state';
}

const useF32 = `use ${option('precision')} f32`;

function generationFix(settings: StepSettings, promptTokens: number, availableBytes: number): string {
  const { layout, seqLen } = settings;
  if (settings.precision === 'f64' && fits(estimateGeneration({ ...settings, precision: 'f32' }), availableBytes))
    return useF32;
  const unit = layout.sp ? layout.tp : 1;
  const length =
    unit *
    largest(seqLen / unit, (units) => fits(estimateGeneration({ ...settings, seqLen: units * unit }), availableBytes));
  if (length > promptTokens) return `use ${option('maxTokens')} ${length - promptTokens}`;
  if (length > 1) return `use a ${option('prompt')} of fewer than ${length} tokens`;
  return 'use a smaller model: every layout of one machine holds all of its weights';
}

/** Of the largest possible number it is told this close: every step of the search traces a program. */
const closeness = 1 / 64;

/** About the largest whole number below `end` that is possible, 0 for none, where all below a possible one are too. */
function largest(end: number, possible: (n: number) => boolean): number {
  let [low, high] = [0, end];
  while (high - low > Math.max(1, closeness * low)) {
    const middle = Math.floor((low + high) / 2);
    if (possible(middle)) low = middle;
    else high = middle;
  }
  return low;
}
