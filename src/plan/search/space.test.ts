// A search looks at no layout that its software cannot run.
import { expect, test } from 'vitest';
import { findModel } from '../../checkpoint/model-source.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { parseSoftware } from '../software/parse-software.ts';
import { ownRuntime, type Software } from '../software/software.ts';
import { mixedPrecision } from '../training/scenario.ts';
import { cutsOf, gridsOf, schedulesOf } from './space.ts';
import type { SearchTask } from './task.ts';

const taskWith = (software: Software): SearchTask => ({
  config: findModel('llama-3.1-8b', undefined).config,
  cluster: parseCluster('16xh100'),
  seqLen: 4096,
  globalBatch: 64,
  formats: mixedPrecision('bf16'),
  software,
});

/** Of several stages. */
function ordersOf(software: Software): string {
  const task = taskWith(software);
  const names = gridsOf(task)
    .filter(({ pp }) => pp > 1)
    .flatMap((grid) =>
      cutsOf(task, grid).flatMap(({ virtual }) =>
        schedulesOf(software, grid, virtual).map((schedule) => `${schedule}${virtual > 1 ? ' in chunks' : ''}`),
      ),
    );
  return [...new Set(names)].sort().join(', ');
}

test.each([
  ['tuned', '1f1b, 1f1b in chunks, dualpipe, gpipe, gpipe in chunks, zb-h1'],
  ['megatron-lm', '1f1b, 1f1b in chunks'],
  ['nemo', '1f1b, 1f1b in chunks'],
  ['megatron-deepspeed', '1f1b'],
  ['nanotron', '1f1b, gpipe'],
  ['internevo', '1f1b, 1f1b in chunks, zb-h1'],
  ['torchtitan', '1f1b, 1f1b in chunks, gpipe, gpipe in chunks, zb-h1'],
  ['mosaicml', ''],
  ['maxtext', 'gpipe, gpipe in chunks'],
])('%s: %s', (name, orders) => {
  expect(ordersOf(parseSoftware(name, 'software'))).toBe(orders);
});

test('our own runtime runs what it is planned for', () => {
  expect(ordersOf(ownRuntime)).toBe('1f1b, 1f1b in chunks, gpipe, gpipe in chunks, zb-h1');
});

test('DualPipe has an even number of stages, and at least two microbatches for each', () => {
  const sizes = gridsOf(taskWith(parseSoftware('tuned', 'software'))).filter(({ isBothWays }) => isBothWays);
  expect(sizes.length).toBeGreaterThan(0);
  for (const { pp, microbatches } of sizes)
    expect([pp % 2, microbatches % 2, microbatches >= 2 * pp]).toEqual([0, 0, true]);
});
