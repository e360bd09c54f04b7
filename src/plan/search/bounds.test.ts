// No level of bounds is above what is predicted: random layouts of models as they are trained, of which there are too many to predict each.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findModel } from '../../checkpoint/model-source.ts';
import { printLayout } from '../../mesh/layout.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import type { NumberFormat } from '../hardware/number-format.ts';
import { parseSoftware } from '../software/parse-software.ts';
import { currentSoftware, type Software } from '../software/software.ts';
import { fitsAll, usableBytes } from '../training/fits.ts';
import { layoutName } from '../training/offload.ts';
import { predictTraining } from '../training/predict-training.ts';
import { mixedPrecision, type TrainingScenario } from '../training/scenario.ts';
import { boundsOf } from './bounds.ts';
import { nothingGiven, settle } from './ease.ts';
import { figuresOf, type StepFigures } from './objective.ts';
import { gridsOf, kindsOf, sharingsOf } from './space.ts';
import { leafScenario, type SearchTask } from './task.ts';

/** Nothing is hidden, and kernels are many. */
const plain: Software = {
  ...currentSoftware,
  ...{ overlapsGradients: false, overlapsParameters: false, overlapsTensor: false, overlapsPipeline: false },
  ...{ attention: 'scores', launches: 'interpreted', addsApart: true, gathersTensors: true, awaitsRanks: true },
  ...{ dropout: true, loss: 'separate' },
};

const taskOf = (
  model: string,
  cluster: string,
  { products = 'bf16', software = {} }: { products?: NumberFormat; software?: Partial<Software> } = {},
): SearchTask => ({
  config: findModel(model, undefined).config,
  cluster: parseCluster(cluster),
  seqLen: 4096,
  globalBatch: 128,
  formats: mixedPrecision(products),
  software: { ...currentSoftware, ...software },
});

const tasks: [string, SearchTask][] = [
  ['llama-3.1-8b', taskOf('llama-3.1-8b', '64xh100')],
  ['llama-3.1-70b in fp8', taskOf('llama-3.1-70b', '64xh100', { products: 'fp8' })],
  ['llama-3.1-70b with nothing hidden', taskOf('llama-3.1-70b', '128xa100', { software: plain })],
  ['mixtral-8x7b', taskOf('mixtral-8x7b', '64xh100', { software: { overlapsExperts: true, loss: 'fused' } })],
  ['qwen3-30b-a3b', taskOf('qwen3-30b-a3b', '64xh100')],
  ['deepseek-v2-lite: latent attention', taskOf('deepseek-v2-lite', '32xh100')],
  ['gpt-oss-20b: a window in every second layer', taskOf('gpt-oss-20b', '64xh100')],
  [
    'mixtral-8x7b as Megatron has experts',
    taskOf('mixtral-8x7b', '16xh200', { software: parseSoftware('nemo', 'software') }),
  ],
  [
    'gpt-oss-20b as Megatron has experts',
    taskOf('gpt-oss-20b', '64xh100', { software: parseSoftware('nemo', 'software') }),
  ],
  [
    'llama-3.1-8b in TorchTitan',
    taskOf('llama-3.1-8b', '64xh100', { software: parseSoftware('torchtitan', 'software') }),
  ],
  ['gemma-2-9b: the loss in blocks', taskOf('gemma-2-9b', '32xh100', { software: { loss: 'blocks' } })],
];

/** Sums are taken in different orders. */
const rounding = 1 + 1e-9;

test.each(tasks)('%s: no bound is above what is predicted', { timeout: 120_000 }, (_, task) => {
  const grids = gridsOf(task);
  const bounds = boundsOf(task, fittedCosts, kindsOf(grids), false);
  const any = Number.POSITIVE_INFINITY;
  const draw = fc.noBias(fc.nat());
  let below = 0;
  fc.assert(
    fc.property(draw, draw, draw, (ofGrid, ofSharing, ofLeaf) => {
      const drawn = <T>(all: readonly T[], at: number): T => all[at % all.length]!;
      const grid = drawn(grids, ofGrid);
      const shared = { ...grid, sharing: drawn(sharingsOf(grid), ofSharing) };
      const cuts = bounds.ofCuts(shared, any);
      const leaves = cuts.flatMap((cut) => cut.leaves());
      const rough = cuts.flatMap(({ least, rough }) =>
        rough().map((leaf) => ({ 'of its cut': least, 'of it, not traced': leaf.least })),
      );
      const bounded = drawn(leaves, ofLeaf);
      const levels: Record<string, StepFigures> = {
        'of its kind': bounds.ofKind(grid),
        'of kernels': bounds.ofKernels(grid, any)!,
        'of its grid': bounds.ofGrid(grid, any)!,
        'of what it shares out': bounds.ofShared(shared, any)!,
        ...drawn(rough, ofLeaf),
        'of it, traced': bounded.least,
        'of it, played': bounds.ofPlayed(bounded, any)!.least,
      };
      const scenario = leafScenario(task, bounded.leaf);
      const exact = figuresOf(predictTraining(scenario, fittedCosts));
      for (const [level, least] of Object.entries(levels))
        for (const of of ['stepSeconds', 'computeSeconds', 'memoryBytes'] as const)
          expect(
            least[of],
            `${of} ${level}: ${printLayout(scenario.layout)} of microbatches of ${scenario.microBatch}`,
          ).toBeLessThanOrEqual(exact[of] * rounding);
      if (levels['of its cut']!.stepSeconds > 0.5 * exact.stepSeconds) below += 1;
    }),
    { numRuns: 15, endOnFailure: true },
  );
  // They are worth something.
  expect(below).toBeGreaterThan(0);
});

const tight: [string, SearchTask][] = [
  ['llama-3.1-70b', { ...taskOf('llama-3.1-70b', '32xh100'), seqLen: 8192 }],
  ['deepseek-v2-lite: two kinds of layers', { ...taskOf('deepseek-v2-lite', '8xh100'), seqLen: 8192 }],
  ['gpt3-175b', { ...taskOf('gpt3-175b', '64xa100'), seqLen: 2048 }],
];

test.each(tight)('%s: nor of what is predicted with something given up', { timeout: 120_000 }, (_, task) => {
  const grids = gridsOf(task);
  const bounds = boundsOf(task, fittedCosts, kindsOf(grids), true);
  const usable = usableBytes(task.cluster.device);
  const draw = fc.noBias(fc.nat());
  let checked = 0;
  fc.assert(
    fc.property(draw, draw, draw, draw, (ofGrid, ofSharing, ofLeaf, ofEase) => {
      const drawn = <T>(all: readonly T[], at: number): T | undefined => all[at % all.length];
      const grid = drawn(grids, ofGrid)!;
      const shared = { ...grid, sharing: drawn(sharingsOf(grid), ofSharing)! };
      const cut = drawn(bounds.ofCuts(shared, usable), ofLeaf);
      const whole = cut && drawn(cut.leaves(), ofLeaf);
      const eased = whole && drawn(bounds.ofEased(whole, usable), ofEase);
      const scenario = eased && settle(task, eased.leaf, nothingGiven);
      const isWhole = whole && fitsAll(...predicted(leafScenario(task, whole.leaf)));
      if (!scenario || isWhole || !fitsAll(...predicted(scenario))) return;
      checked += 1;
      const exact = figuresOf(predictTraining(scenario, fittedCosts));
      const levels: Record<string, StepFigures | undefined> = {
        'of its kind': bounds.ofKind(grid),
        'of kernels': bounds.ofKernels(grid, usable),
        'of its grid': bounds.ofGrid(grid, usable),
        'of what it shares out': bounds.ofShared(shared, usable),
        'of its cut': cut.least,
        'of it, traced': whole.least,
        'of it giving up': eased.least,
        'of it, played': bounds.ofPlayed(eased, usable)?.least,
      };
      for (const [level, least] of Object.entries(levels))
        for (const of of ['stepSeconds', 'computeSeconds', 'memoryBytes'] as const)
          expect(
            least![of],
            `${of} ${level}: ${layoutName(scenario)} of microbatches of ${scenario.microBatch}`,
          ).toBeLessThanOrEqual(exact[of] * rounding);
    }),
    { numRuns: 80, endOnFailure: true },
  );
  expect(checked).toBeGreaterThan(0);
});

const predicted = (scenario: TrainingScenario) => [scenario, predictTraining(scenario, fittedCosts)] as const;
