// Steps on devices of several kinds, beside those on one of them, and stages by kind beside all other ways to cut the layers.
import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import type { Cluster } from '../hardware/cluster.ts';
import { parseClusterFile } from '../hardware/cluster-file.ts';
import { kindsOfStages } from '../hardware/kinds.ts';
import { fitsAll } from './fits.ts';
import { predictTraining } from './predict-training.ts';
import type { TrainingScenario } from './scenario.ts';
import { withStagesByKind } from './stages-by-kind.ts';

const clusterOf = (...kinds: string[]): Cluster =>
  parseClusterFile(
    {
      name: 'both',
      devices: kinds.map((device) => ({ count: 8, device })),
      tiers: [
        { name: 'node', link: 'nvlink-3', devices: 8, bytesPerSecond: 300e9 },
        { name: 'network', link: 'infiniband', devices: 8 * kinds.length, bytesPerSecond: 25e9 },
      ],
    },
    'both.json',
  );

const on = (cluster: Cluster, layout: string): TrainingScenario => ({
  ...namedScenario({ cluster: '16xh100', layout, globalBatch: 64 }),
  cluster,
});
const secondsOf = (scenario: TrainingScenario): number => predictTraining(scenario, fittedCosts).stepSeconds;

const [fast, slow] = ['h100', 'a100'];
const mixed = clusterOf(fast!, slow!);

test('groups of the same kind are a cluster of one kind', () => {
  const { others: _, ...whole } = clusterOf(fast!, fast!);
  for (const layout of ['pp=2,dp=8,zero=1', 'tp=8,dp=2,sp']) {
    const divided = on(clusterOf(fast!, fast!), layout);
    expect(predictTraining(divided, fittedCosts)).toEqual(predictTraining(on(whole, layout), fittedCosts));
    expect(withStagesByKind(divided, fittedCosts)).toBe(divided);
  }
});

test('replicas on both kinds wait for the slower one', () => {
  for (const layout of ['dp=16,zero=3', 'tp=8,dp=2,sp,zero=1'])
    expect(secondsOf(on(mixed, layout))).toBe(secondsOf(on(clusterOf(slow!, slow!), layout)));
});

test('a stage lies on its own kind, in any order of the kinds', () => {
  const names = (cluster: Cluster) =>
    kindsOfStages(cluster, on(cluster, 'pp=4,dp=4').layout).map((kinds) => kinds.map(({ name }) => name));
  expect(names(mixed)).toEqual([['h100-sxm'], ['h100-sxm'], ['a100-80-sxm'], ['a100-80-sxm']]);
  expect(names(clusterOf(slow!, fast!)).flat()).toEqual(names(mixed).flat().toReversed());
  expect(kindsOfStages(mixed, on(mixed, 'dp=16').layout)[0]).toHaveLength(2);
});

test.each([[mixed], [clusterOf(slow!, fast!)]])(
  'of all ways to cut layers into two stages, that by kind is about the best',
  (cluster) => {
    const scenario = on(cluster, 'pp=2,dp=8,zero=1');
    const { layout, config } = scenario;
    const all = Array.from({ length: config.layers - 1 }, (_, i) => [i + 1, config.layers - 1 - i]);
    const best = Math.min(...all.map((stages) => secondsOf({ ...scenario, layout: { ...layout, stages } })));
    const chosen = withStagesByKind(scenario, fittedCosts);
    expect(chosen.layout.stages![0]! > chosen.layout.stages![1]!).toBe(cluster === mixed);
    // What is left out when layers are dealt out: the embedding, bubbles, and what is hidden beside what.
    expect(secondsOf(chosen) / best).toBeLessThan(1.02);
    expect(secondsOf(chosen)).toBeLessThan(secondsOf(scenario));
    expect(secondsOf(chosen)).toBeGreaterThan(secondsOf(on(clusterOf(fast!, fast!), 'pp=2,dp=8,zero=1')));
  },
);

test('each kind has its own memory', () => {
  const small = clusterOf(fast!, 'a100-40');
  const cut = (stages: readonly number[]) => {
    const scenario = on(small, 'pp=2,dp=8,zero=1');
    return { ...scenario, layout: { ...scenario.layout, stages } };
  };
  const verdict = (scenario: TrainingScenario) => fitsAll(scenario, predictTraining(scenario, fittedCosts));
  expect(verdict(cut([24, 8]))).toBe(true);
  expect(verdict(cut([8, 24]))).toBe(false);
  // The stage that is told is the one that its kind has least room for.
  const { memory, memoryByStage } = predictTraining(cut([16, 16]), fittedCosts);
  expect(memory).toBe(memoryByStage[1]);
});
