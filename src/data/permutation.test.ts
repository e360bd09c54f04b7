// The seeded order: a permutation for every size, different for every seed and epoch, evenly spread.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { permutation } from './permutation.ts';

const orderOf = (size: number, seed: number, stream: number): number[] => {
  const order = permutation(size, seed, stream);
  return Array.from({ length: size }, (_, index) => order(index));
};
const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);
const upTo = (size: number): number[] => Array.from({ length: size }, (_, index) => index);

test('is a permutation for any size, seed and epoch', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), fc.maxSafeInteger(), fc.nat(), (size, seed, stream) => {
      expect(sorted(orderOf(size, seed, stream))).toEqual(upTo(size));
    }),
  );
});

test('stays inside and never collides where indices have more than 32 bits', () => {
  const size = 2 ** 40 + 12345;
  const order = permutation(size, 7, 3);
  const values = upTo(20_000).map((index) => order(index * 50_000_017));
  expect(new Set(values).size).toBe(values.length);
  expect(values.every((value) => Number.isInteger(value) && value >= 0 && value < size)).toBe(true);
});

test('differs between seeds and between epochs, seeds beyond 32 bits included', () => {
  const orders = [
    orderOf(100, 1, 0),
    orderOf(100, 2, 0),
    orderOf(100, 1, 1),
    orderOf(100, 1 + 2 ** 32, 0),
    orderOf(100, 0, 0),
  ];
  expect(new Set(orders.map(String)).size).toBe(orders.length);
  expect(orderOf(100, 1, 1)).toEqual(orders[2]);
});

test('gives every ordering of three about as often', () => {
  const counts = new Map<string, number>();
  const draws = 6000;
  for (let epoch = 0; epoch < draws; epoch += 1) {
    const order = String(orderOf(3, 42, epoch));
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  // 1000 each are expected with a standard deviation of 29: six of them are 173.
  for (const count of counts.values()) expect(Math.abs(count - draws / 6)).toBeLessThan(173);
});

test('leaves no trace of the original order', () => {
  const size = 5000;
  const order = orderOf(size, 3, 0);
  const neighbours = order.filter((value, index) => Math.abs(value - (order[index + 1] ?? Number.NaN)) === 1).length;
  // Two are expected in a random order.
  expect(neighbours).toBeLessThan(12);
  const mean = (size - 1) / 2;
  const covariance = order.reduce((sum, value, index) => sum + (value - mean) * (index - mean), 0);
  const variance = upTo(size).reduce((sum, index) => sum + (index - mean) ** 2, 0);
  // The correlation of a random order has a standard deviation of 1 / sqrt(size) = 0.014.
  expect(Math.abs(covariance / variance)).toBeLessThan(0.06);
});
