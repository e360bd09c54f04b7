// The front of time and memory: each of it is the fastest layout that holds no more than it.
import { expect, test } from 'vitest';
import { namedScenario } from '../../../test/training-scenarios.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { usableBytes } from '../training/fits.ts';
import { searchFront } from './front.ts';
import { bestLayouts, type Found } from './search.ts';

const {
  layout: _,
  microBatch: __,
  microbatches: ___,
  ...given
} = namedScenario({
  model: 'llama-3.2-1b',
  layout: 'dp=2',
  cluster: '2xh100',
  globalBatch: 4,
});
const task = { ...given, globalBatch: 4 };

function frontAfter(fastest: readonly Found[]): Found[] {
  const search = searchFront(task, fittedCosts, fastest);
  for (;;) {
    const { done, value } = search.next();
    if (done) return value;
  }
}

test('it begins with the fastest of all, and every step holds a good deal less and takes longer', () => {
  const front = frontAfter([]);
  expect(front.length).toBeGreaterThan(1);
  const { found } = bestLayouts(task, fittedCosts, { objective: 'time', top: 1 });
  expect(front[0]).toEqual(found[0]);
  expect(frontAfter(found)).toEqual(front);
  for (const [i, { prediction, scenario }] of front.entries()) {
    expect(scenario.cluster).toBe(task.cluster);
    const before = front[i - 1]?.prediction;
    expect(prediction.memory.total).toBeLessThanOrEqual(
      before ? 0.7 * before.memory.total : usableBytes(task.cluster.device),
    );
    if (before) expect(prediction.stepSeconds).toBeGreaterThanOrEqual(before.stepSeconds);
  }
});
