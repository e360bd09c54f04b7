// Costs are found again from kernels that were timed by them, whatever else made some of the times longer.
import { expect, test } from 'vitest';
import { measuredMachine } from '../../../../test/measured-machine.ts';
import type { KernelShape } from '../../../program/kernel-shape.ts';
import { fitKernels } from './fit-measured.ts';
import { measuredKernelSeconds } from './measured-costs.ts';

const sizes = [64, 96, 160, 256, 384, 640];

const shapes: readonly KernelShape[] = sizes.flatMap((size, i): KernelShape[] => {
  const [other, third] = [sizes[(i * 5 + 2) % 6]!, sizes[(i * 7 + 3) % 6]!];
  const heads = {
    batch: 1,
    heads: 4,
    kvHeads: 2,
    headDim: 16 * (1 + (i % 3)),
    valueDim: 32,
    queries: size,
    keys: size,
  };
  return [
    { kind: 'attention', pass: 'forward', ...heads, scores: (size * (size + 32)) / 2 },
    { kind: 'matmul', batch: 1, m: size, n: other, k: third },
    { kind: 'matmul', batch: 1, m: other, n: size, k: third, accumulates: true },
    { kind: 'grouped', groups: 2 + i, rows: size, n: other, k: third },
    { kind: 'grouped', groups: 2 + i, rows: other, n: third, k: size, weights: true },
    { kind: 'attention', pass: 'forward', ...heads, scores: size * (size + other) },
    { kind: 'attention', pass: 'backward', ...heads, scores: size * (size + third) },
    { kind: 'memory', floats: size * other, bytes: 8 * third, op: 'add' },
    { kind: 'memory', floats: other * other, bytes: 0, op: 'adamw' },
  ];
});

test('kernels that were timed, some of them with something else beside them', () => {
  const { kernels } = measuredMachine(['add', 'adamw']);
  const timed = shapes.map((kernel) => {
    const seconds = measuredKernelSeconds(kernel, kernels);
    return { kernel, seconds: [seconds, 3 * seconds, seconds, seconds, 1.5 * seconds] };
  });
  const found = fitKernels(timed);
  // As near as sweeps come.
  for (const kernel of shapes)
    expect(
      measuredKernelSeconds(kernel, found) / measuredKernelSeconds(kernel, kernels),
      JSON.stringify(kernel),
    ).toBeCloseTo(1, 2);
  expect(Object.keys(found.memory)).toEqual(['add', 'adamw']);
});

test('what one size says of an op: a call takes as long as others, the rest goes by bytes', () => {
  const { kernels } = measuredMachine(['add']);
  const timed = (floats: number, op: string) => {
    const kernel = { kind: 'memory', floats, bytes: 0, op } as const;
    return { kernel, seconds: [measuredKernelSeconds({ ...kernel, op: 'add' }, kernels)] };
  };
  const found = fitKernels([...[100, 1000, 10_000].map((floats) => timed(floats, 'add')), timed(5000, 'gelu')]);
  const secondsOf = (floats: number) => measuredKernelSeconds({ kind: 'memory', floats, bytes: 0, op: 'gelu' }, found);
  for (const floats of [50, 5000, 500_000]) {
    const expected = measuredKernelSeconds({ kind: 'memory', floats, bytes: 0, op: 'add' }, kernels);
    expect(secondsOf(floats) / expected).toBeCloseTo(1, 2);
  }
});
