// The bytes a collective sends, checked against hand-computed cases.
import { expect, test } from 'vitest';
import { countedOps, trafficBytes } from './traffic.ts';

test('ring-equivalent bytes of 4 ranks', () => {
  const bytes = Object.fromEntries(countedOps.map((op) => [op, trafficBytes(op, 1000, 4)]));
  expect(bytes).toEqual({
    allReduce: 1500,
    allGather: 3000,
    reduceScatter: 750,
    allToAll: 750,
    allToAllV: 750,
    ringShift: 1000,
    broadcast: 750,
    send: 1000,
  });
});

test('a group of one sends nothing, but a message to another rank is always sent', () => {
  for (const op of countedOps) expect(trafficBytes(op, 1000, 1)).toBe(op === 'send' ? 1000 : 0);
});

test('parts of a byte are rounded', () => {
  expect(trafficBytes('allReduce', 4, 3)).toBe(5);
  expect(trafficBytes('reduceScatter', 4, 3)).toBe(3);
});

test('an all-reduce costs what a reduce-scatter and an all-gather of its shards do', () => {
  for (const size of [2, 4, 8])
    expect(trafficBytes('allReduce', 64 * size, size)).toBe(
      trafficBytes('reduceScatter', 64 * size, size) + trafficBytes('allGather', 64, size),
    );
});
