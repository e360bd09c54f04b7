// Whether a run fits one machine: its ranks, the length of its program and its memory, with what to change if it does not.
import { fail, option } from '../errors.ts';
import { printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { matrixWeights } from '../model/config.ts';
import { divisors } from '../model/fit.ts';
import type { WindowSettings } from '../step/forward-step.ts';
import type { StepSettings } from '../step/settings.ts';
import { estimateGeneration, estimateTraining, type MemoryEstimate } from './memory.ts';

/** Threads of one process. */
const mostRanks = 1024;
/** Of a microbatch through a layer or an end: a step is planned instruction by instruction, this many in less than ten seconds. */
const mostPasses = 4096;
const passes = (layers: number, microbatches: number): number => (layers + 2) * microbatches;

/** Of those, whose activations are kept at the same time: placing them takes a time that grows with their square. */
const mostKept = 1024;

/** Passes of one stage between a microbatch's forward and its backward. */
function kept({ config: { layers }, layout: { pp, schedule }, microbatches }: StepSettings): number {
  return Math.ceil(layers / pp) * (schedule === 'gpipe' ? microbatches : Math.min(pp, microbatches));
}

/** No run that was measured took less of its estimate (bench/resident-memory.ts): what needs more than is there cannot run. */
const leastShare = 0.85;

export const fits = ({ total }: MemoryEstimate, availableBytes: number): boolean =>
  leastShare * total <= availableBytes;

/** Whether a run is short enough to plan and fits in memory. */
export function fitsTraining(settings: StepSettings, availableBytes: number): boolean {
  const { config, layout, microbatches, precision } = settings;
  if (worldSize(layout) > mostRanks || passes(config.layers, microbatches) > mostPasses) return false;
  if (kept(settings) > mostKept) return false;
  // Weights, gradients and two moments: the least there is, known without tracing anything.
  const least = 4 * matrixWeights(config) * (precision === 'f64' ? 8 : 4) * layout.dp;
  return leastShare * least <= availableBytes && fits(estimateTraining(settings), availableBytes);
}

/** Throws OPTION_INVALID or MEMORY_SHORT. */
export function checkTrainingFits(settings: StepSettings, availableBytes: number): void {
  checkRanks(settings);
  checkPasses(settings);
  const estimate = estimateTraining(settings);
  if (!fits(estimate, availableBytes)) refuse(estimate, availableBytes, trainingFix(settings, availableBytes));
  checkKept(settings);
}

/** Throws OPTION_INVALID or MEMORY_SHORT. `promptTokens`: of the window, how many are given. */
export function checkGenerationFits(settings: WindowSettings, promptTokens: number, availableBytes: number): void {
  checkRanks(settings);
  const estimate = estimateGeneration(settings);
  if (!fits(estimate, availableBytes))
    refuse(estimate, availableBytes, generationFix(settings, promptTokens, availableBytes));
}

function checkRanks({ layout }: Pick<StepSettings, 'layout'>): void {
  const ranks = worldSize(layout);
  if (ranks > mostRanks)
    fail('OPTION_INVALID', {
      option: option('layout'),
      problem: `${printLayout(layout)} has ${ranks} ranks, and one machine runs at most ${mostRanks}`,
      fix: `make the product of its axes ${mostRanks} or less`,
    });
}

function checkPasses({ config: { layers }, microBatch, microbatches }: StepSettings): void {
  if (passes(layers, microbatches) <= mostPasses) return;
  const fewer = divisors(microbatches).find((times) => passes(layers, microbatches / times) <= mostPasses);
  fail('OPTION_INVALID', {
    option: option(fewer === undefined ? 'model' : 'microBatch'),
    problem: `a step of ${microbatches} microbatches of ${layers} layers is longer than can be planned (${Math.floor(mostPasses / (layers + 2))} microbatches)`,
    fix:
      fewer === undefined
        ? 'use a model of fewer layers'
        : `use ${option('microBatch')} ${microBatch * fewer}, or a smaller ${option('globalBatch')}`,
  });
}

function checkKept(settings: StepSettings): void {
  const { config, layout, microbatches } = settings;
  if (kept(settings) <= mostKept) return;
  const stages = Math.ceil(config.layers / mostKept);
  fail('OPTION_INVALID', {
    option: option('layout'),
    problem: `${printLayout(layout)} keeps the activations of ${kept(settings)} layers and microbatches in one stage, and at most ${mostKept} can be planned`,
    fix:
      layout.schedule === 'gpipe' && microbatches > layout.pp
        ? 'use schedule=1f1b, or fewer microbatches'
        : `use a model of fewer layers, or pp=${Math.max(2, stages)}`,
  });
}

function refuse(estimate: MemoryEstimate, availableBytes: number, fix: string): never {
  const { total, ...parts } = estimate;
  return fail('MEMORY_SHORT', { neededBytes: total, parts, availableBytes, fix });
}

/** What keeps the result first: smaller microbatches, then no replicas; then shorter sequences. */
function trainingFix(settings: StepSettings, availableBytes: number): string {
  const { layout, microBatch, microbatches, seqLen } = settings;
  const possible = (changed: Partial<StepSettings>) =>
    fits(estimateTraining({ ...settings, ...changed }), availableBytes);
  const all = microBatch * microbatches;
  const sizes = (sequences: number) =>
    divisors(sequences).filter((size) => passes(settings.config.layers, sequences / size) <= mostPasses);
  const smaller = sizes(all)
    .filter((size) => size < microBatch)
    .findLast((size) => possible({ microBatch: size, microbatches: all / size }));
  if (smaller !== undefined) return `use ${option('microBatch')} ${smaller}`;
  // Every data-parallel rank holds the whole model: without replicas, and with the smallest microbatches, a step takes the least.
  const sequences = all * layout.dp;
  const [size = microBatch] = sizes(sequences);
  const least = { layout: { ...layout, dp: 1 }, microBatch: size, microbatches: sequences / size };
  const changes = [
    ...(layout.dp > 1 ? [`${option('layout')} ${printLayout(least.layout)}`] : []),
    ...(size !== microBatch ? [`${option('microBatch')} ${size}`] : []),
  ];
  if (layout.dp > 1 && possible(least)) return `use ${changes.join(' and ')}`;
  const unit = layout.sp ? layout.tp : 1;
  const length = unit * largest(seqLen / unit, (units) => possible({ ...least, seqLen: units * unit }));
  if (length > 0) return `use ${[`${option('seqLen')} ${length}`, ...changes].join(' and ')}`;
  return 'use a smaller model: every layout of one machine holds all of its weights, gradients and optimizer state';
}

function generationFix(settings: WindowSettings, promptTokens: number, availableBytes: number): string {
  const { layout, seqLen } = settings;
  const unit = layout.sp ? layout.tp : 1;
  const length =
    unit *
    largest(seqLen / unit, (units) => fits(estimateGeneration({ ...settings, seqLen: units * unit }), availableBytes));
  if (length > promptTokens) return `use ${option('maxTokens')} ${length - promptTokens}`;
  if (length > 1) return `use a ${option('prompt')} of fewer than ${length} tokens`;
  return 'use a smaller model: every layout of one machine holds all of its weights';
}

/** The largest whole number below `end` that is possible, 0 for none, where all below a possible one are too. */
function largest(end: number, possible: (n: number) => boolean): number {
  let [low, high] = [0, end];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (possible(middle)) low = middle;
    else high = middle;
  }
  return low;
}
