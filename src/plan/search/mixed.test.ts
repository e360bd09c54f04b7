// On devices of several kinds, and with offload: every layout of small clusters is predicted, and none is better than what the search finds.
import { expect, test } from 'vitest';
import { findModel } from '../../checkpoint/model-source.ts';
import { printLayout } from '../../mesh/layout.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import type { Cluster } from '../hardware/cluster.ts';
import { parseClusterFile } from '../hardware/cluster-file.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { kindsOf as kindsOfDevices } from '../hardware/kinds.ts';
import { currentSoftware } from '../software/software.ts';
import { fitsAll } from '../training/fits.ts';
import { predictTraining } from '../training/predict-training.ts';
import { mixedPrecision, type TrainingScenario } from '../training/scenario.ts';
import { withStagesByKind } from '../training/stages-by-kind.ts';
import { looseBounds } from './loose-bounds.ts';
import { figuresOf, type ObjectiveName, objectiveValue } from './objective.ts';
import { bestLayouts } from './search.ts';
import { cutsOf, gridsOf, kindsOf, schedulesOf, sharingsOf, zerosOf } from './space.ts';
import { leafScenario, type SearchTask } from './task.ts';

const both = (count: number, kinds: readonly (string | object)[]): Cluster =>
  parseClusterFile(
    {
      name: 'both',
      devices: kinds.map((device) => ({ count, device })),
      tiers: [
        { name: 'node', link: 'nvlink-3', devices: count, bytesPerSecond: 300e9 },
        { name: 'network', link: 'infiniband', devices: count * kinds.length, bytesPerSecond: 25e9 },
      ],
    },
    'both.json',
  );

const taskOn = (cluster: Cluster, changed: Partial<SearchTask> = {}): SearchTask => ({
  config: findModel('smollm2-135m', ['num_hidden_layers=3']).config,
  cluster,
  seqLen: 512,
  globalBatch: 4,
  formats: mixedPrecision('bf16'),
  software: currentSoftware,
  ...changed,
});

/** Each layout with even stages, with those of its cut, and with stages by kind, each once. */
function allScenarios(task: SearchTask): TrainingScenario[] {
  const isMixed = kindsOfDevices(task.cluster).length > 1;
  const all = new Map<string, TrainingScenario>();
  for (const grid of gridsOf(task).flatMap((each) => sharingsOf(each).map((sharing) => ({ ...each, sharing }))))
    for (const cut of cutsOf(task, grid))
      for (const schedule of schedulesOf(task.software, grid, cut.virtual))
        for (const zero of zerosOf(grid, grid.sharing)) {
          const scenario = leafScenario(task, { grid, cut, schedule, zero });
          const said = { ...scenario, layout: { ...scenario.layout, stages: cut.sizes } };
          for (const each of isMixed && grid.pp > 1 ? [said, withStagesByKind(scenario, fittedCosts)] : [scenario]) {
            const { layout, microBatch } = each;
            const stages = layout.stages ?? cut.sizes;
            all.set(`${printLayout({ ...layout, stages })} ${microBatch}`, each);
          }
        }
  return [...all.values()];
}

const small = { like: 'h100', name: 'small', memoryBytes: 3.6 * 2 ** 30 };
const host = { memoryBytes: 2 ** 40, memoryBytesPerSecond: 200e9, devices: 4, source: 'a test' };
const hosted: Cluster = {
  host,
  ...parseCluster('4xh100'),
  device: { ...parseCluster('4xh100').device, memoryBytes: 3.2 * 2 ** 30 },
};

const cases: [string, SearchTask, ObjectiveName][] = [
  ['the fastest on two kinds', taskOn(both(2, ['h100', 'a100'])), 'time'],
  ['the slower first, and twice as many', taskOn(both(2, ['a100', 'h100', 'a100'])), 'time'],
  ['nodes of eight', taskOn(both(8, ['h100', 'a100']), { globalBatch: 16 }), 'time'],
  ['the least energy', taskOn(both(2, ['h100', 'a100'])), 'energy'],
  ['the faster has less memory', taskOn(both(2, [small, 'a100'])), 'time'],
  ['the least memory', taskOn(both(2, [small, 'a100'])), 'memory'],
  ['the optimizer on the host', taskOn(hosted, { offload: { optimizer: true, activations: 0 } }), 'time'],
  ['activations too', taskOn(hosted, { offload: { optimizer: true, activations: 0.5 } }), 'time'],
  [
    'on two kinds',
    taskOn({ ...both(2, ['h100', 'a100']), host: host }, { offload: { optimizer: true, activations: 1 } }),
    'time',
  ],
];

test.each(cases)('%s: no layout is below its bounds', { timeout: 600_000 }, (_, task) => {
  const grids = gridsOf(task);
  const bounds = looseBounds(task, fittedCosts, kindsOf(grids), false);
  const any = Number.POSITIVE_INFINITY;
  let leaves = 0;
  // Some of many.
  for (const grid of grids.filter((_, at) => at % Math.ceil(grids.length / 40) === 0))
    for (const sharing of sharingsOf(grid)) {
      const shared = { ...grid, sharing };
      const coarse = [
        bounds.ofKind(grid),
        bounds.ofKernels(grid, any)!,
        bounds.ofGrid(grid, any)!,
        bounds.ofShared(shared, any)!,
      ];
      for (const { leaf, least } of bounds.ofCuts(shared, any).flatMap((cut) => cut.leaves())) {
        const scenario = leafScenario(task, leaf);
        const exact = figuresOf(predictTraining(scenario, fittedCosts));
        for (const [level, each] of [...coarse, least].entries())
          for (const of of ['stepSeconds', 'computeSeconds', 'memoryBytes'] as const)
            expect(each[of], `${printLayout(scenario.layout)}: ${of} of level ${level}`).toBeLessThanOrEqual(
              exact[of] * (1 + 1e-9),
            );
        leaves += 1;
      }
    }
  expect(leaves).toBeGreaterThan(20);
});

test.each(cases)('%s', { timeout: 600_000 }, (_, task, objective) => {
  const all = allScenarios(task).flatMap((scenario) => {
    const prediction = predictTraining(scenario, fittedCosts);
    return fitsAll(scenario, prediction) ? [objectiveValue(objective, task.cluster, figuresOf(prediction))] : [];
  });
  expect(all.length).toBeGreaterThan(5);
  const { found, judged, pruned } = bestLayouts(task, fittedCosts, { objective, top: 5 });
  expect(found.map(({ value }) => value)).toEqual(all.toSorted((a, b) => a - b).slice(0, 5));
  for (const { scenario, prediction } of found) expect(fitsAll(scenario, prediction)).toBe(true);
  expect(judged).toBeGreaterThanOrEqual(all.length);
  expect(pruned).toBeGreaterThan(judged / 4);
});
