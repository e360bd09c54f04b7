// From timed kernels to what they are made of costs.
import type { KernelShape } from '../../../program/kernel-shape.ts';
import { type MeasuredKernels, type ProductName, productNames } from '../../hardware/measured-machine.ts';
import { memoryAmounts, productAmounts, productName } from './amounts.ts';
import { type Measured, nonNegativeFit } from './non-negative-fit.ts';

/** How long a kernel took, each time that it was timed. */
export interface TimedKernel {
  readonly kernel: KernelShape;
  readonly seconds: readonly number[];
}

/** Costs are fitted to each kernel's median: what else a machine does makes some times much longer, which is no part of them. */
export function fitKernels(timed: readonly TimedKernel[]): MeasuredKernels {
  const kernels = merged(timed).map(({ kernel, seconds }) => ({ kernel, seconds: quantile(seconds, 0.5) }));
  const products = new Map<ProductName, Measured[]>(productNames.map((name) => [name, []]));
  const memory = new Map<string, Measured[]>();
  for (const { kernel, seconds } of kernels)
    if (kernel.kind !== 'memory') products.get(productName(kernel))!.push({ amounts: productAmounts(kernel), seconds });
    else {
      const op = kernel.op ?? '';
      memory.set(op, [...(memory.get(op) ?? []), { amounts: memoryAmounts(kernel), seconds }]);
    }
  const others = nonNegativeFit([...memory.values()].flat());
  return {
    products: Object.fromEntries(
      [...products].map(([name, rows]) => [name, nonNegativeFit(rows)]),
    ) as unknown as MeasuredKernels['products'],
    memory: Object.fromEntries([...memory].map(([op, rows]) => [op, ofOp(rows, others[0]!)])),
    others,
  };
}

/** Sizes that differ by less do not tell calls from bytes. */
const apart = 1.2;

/** Of an op that was measured in one size only a call takes what calls of all take, at most all of its time, and the rest is by its bytes. */
function ofOp(rows: readonly Measured[], call: number): number[] {
  const bytes = rows.map(({ amounts }) => amounts[1]!);
  const most = Math.max(...bytes);
  if (most > apart * Math.min(...bytes) || most === 0) return nonNegativeFit(rows);
  const seconds = quantile(
    rows.map((row) => row.seconds),
    0.5,
  );
  const ofCall = Math.min(call, seconds);
  return [ofCall, (seconds - ofCall) / most];
}

/** The same kernel's times together. */
function merged(timed: readonly TimedKernel[]): TimedKernel[] {
  const found = new Map<string, { kernel: KernelShape; seconds: number[] }>();
  for (const { kernel, seconds } of timed) {
    const key = JSON.stringify(kernel);
    const same = found.get(key) ?? { kernel, seconds: [] };
    found.set(key, same);
    same.seconds.push(...seconds);
  }
  return [...found.values()];
}

/** Of so many the share that is no longer: 0.5 gives the median. */
export const quantile = (seconds: readonly number[], share: number): number =>
  [...seconds].sort((a, b) => a - b)[Math.floor((seconds.length - 1) * share)]!;
