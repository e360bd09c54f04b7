// The fewest devices for a deadline, against a search of every number of them to its end.
import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../model/families.ts';
import { presets } from '../../model/presets.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { bestLayouts } from '../search/search.ts';
import type { SearchTask } from '../search/task.ts';
import { currentSoftware } from '../software/software.ts';
import { mixedPrecision } from '../training/scenario.ts';
import { type FewestDevices, fewestForDeadline } from './fewest-for-deadline.ts';
import { clusterSizes, namedPart } from './sizes.ts';
import { wholeTraining } from './whole-training.ts';

const task: SearchTask = {
  config: parseModelConfig(presets['llama-tiny'], 'model'),
  cluster: parseCluster('4xh100'),
  seqLen: 64,
  globalBatch: 4,
  formats: mixedPrecision('bf16'),
  software: currentSoftware,
};
const tokens = 1e10;

function fewest(seconds: number): FewestDevices {
  const search = fewestForDeadline(task, fittedCosts, { tokens, seconds });
  for (;;) {
    const { done, value } = search.next();
    if (done) return value;
  }
}

test('sizes are whole nodes, the whole cluster last', () => {
  expect(clusterSizes(parseCluster('96xh100'))).toEqual([8, 16, 24, 32, 40, 48, 56, 64, 80, 96]);
  expect(clusterSizes(parseCluster('8xh100'))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(clusterSizes(parseCluster('104xh100')).at(-1)).toBe(104);
  expect(namedPart(parseCluster('96xh100@roce-400'), 16)).toEqual(parseCluster('16xh100@roce-400'));
});

describe('of a small model', () => {
  const times = clusterSizes(task.cluster).map((devices) => {
    const small = { ...task, cluster: namedPart(task.cluster, devices)! };
    const [best] = bestLayouts(small, fittedCosts, { objective: 'time', top: 1 }).found;
    return { devices, ...(best && { seconds: wholeTraining(best.scenario, best.prediction, tokens).seconds }) };
  });
  const all = times.flatMap(({ seconds }) => seconds ?? []);

  test('what each number of devices takes, a little more and a little less', () => {
    const longest = Math.max(...all);
    const shortest = Math.min(...all);
    for (const seconds of [1.01 * longest, 0.99 * longest, 1.01 * shortest, 0.99 * shortest]) {
      const wanted = times.find((time) => time.seconds !== undefined && time.seconds <= seconds);
      const { task: found, best, tried } = fewest(seconds);
      expect(found?.cluster.devices).toBe(wanted?.devices);
      if (best)
        expect(wholeTraining(best.scenario, best.prediction, tokens).seconds / wanted!.seconds!).toBeCloseTo(1, 12);
      const least = new Map(times.map((time) => [time.devices, time.seconds ?? Number.POSITIVE_INFINITY]));
      for (const { devices, seconds: took } of tried)
        expect(took).toBeLessThanOrEqual((1 + 1e-9) * least.get(devices)!);
    }
  });
});
