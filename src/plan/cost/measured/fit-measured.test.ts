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
    { kind: 'matmul', batch: 1, m: size, n: other, k: third },
    { kind: 'matmul', batch: 1, m: other, n: size, k: third, accumulates: true },
    { kind: 'grouped', groups: 2 + i, rows: size, n: other, k: third },
    { kind: 'grouped', groups: 2 + i, rows: other, n: third, k: size, weights: true },
    { kind: 'attention', pass: 'forward', ...heads, scores: size * (size + other) },
    { kind: 'attention', pass: 'backward', ...heads, scores: size * (size + third) },
    { kind: 'memory', floats: size * other, bytes: 8 * third, op: 'add' },
    { kind: 'memory', floats: other * third, bytes: 0, op: 'adamw' },
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
    expect(measuredKernelSeconds(kernel, found) / measuredKernelSeconds(kernel, kernels)).toBeCloseTo(1, 2);
  expect(Object.keys(found.memory)).toEqual(['add', 'adamw']);
});
