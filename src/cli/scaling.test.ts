// The arithmetic of `scale` on small numbers.
import { expect, test } from 'vitest';
import { parseLayout, printLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { imbalance, median, rankCounts } from './scaling.ts';
import { alikeAndBySpeed } from './scaling-by-speed.ts';

test('imbalance and median', () => {
  expect(imbalance([2, 2, 2])).toBe(0);
  expect(imbalance([3, 1])).toBe(0.5);
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test('rank counts', () => {
  expect(rankCounts(3)).toEqual([1, 2, 3]);
  expect(rankCounts(8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(rankCounts(40)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 40]);
});

test.each([
  ['dp=2', [1, 0.5], [undefined, [3, 1]]],
  ['pp=2', [1, 0.5], [undefined, 'pp=2,stages=3+1']],
  // Nothing that speeds would change, and another number of ranks.
  ['tp=2', [1, 0.5], [undefined]],
  ['dp=2', [1, 1], [undefined]],
  ['dp=4', [1, 0.5], []],
] as const)('%s at speeds %j runs alike, and by speed where that is another way', (text, speeds, expected) => {
  const step = { config: parseModelConfig(presets['llama-tiny'], 'llama-tiny'), seqLen: 64, precision: 'f32' } as const;
  const candidate = { axis: 'dp', layout: parseLayout(text), globalBatch: 8, microBatch: 1 } as const;
  const candidates = alikeAndBySpeed(candidate, speeds, step, undefined);
  expect(candidates.map(({ division }) => division && (division.shares ?? printLayout(division.layout)))).toEqual(
    expected,
  );
});
