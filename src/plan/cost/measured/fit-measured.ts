// From timed kernels to what they are made of costs.
import type { KernelShape } from '../../../program/kernel-shape.ts';
import { type Costs, type MeasuredKernels, type ProductName, productNames } from '../../hardware/measured-machine.ts';
import { memoryAmounts, productAmounts, productName } from './amounts.ts';
import { type Measured, nonNegativeFit } from './non-negative-fit.ts';

/** How long a kernel took, each time that it was timed. */
export interface TimedKernel {
  readonly kernel: KernelShape;
  readonly seconds: readonly number[];
}

/**
 * Costs are fitted to each kernel's median. What else a machine does makes some times longer, now of the one, now of the other: by how much, on average
 * over all of them, all costs are raised.
 */
export function fitKernels(timed: readonly TimedKernel[]): MeasuredKernels {
  const kernels = merged(timed).map(({ kernel, seconds }) => ({ kernel, median: median(seconds), seconds }));
  const all = kernels.reduce((sum, { seconds }) => sum + seconds.reduce((a, b) => a + b, 0), 0);
  const raise = all / kernels.reduce((sum, each) => sum + each.median * each.seconds.length, 0);
  const fitted = (rows: readonly Measured[]): Costs => nonNegativeFit(rows).map((cost) => cost * raise);

  const products = new Map<ProductName, Measured[]>(productNames.map((name) => [name, []]));
  const memory = new Map<string, Measured[]>();
  for (const { kernel, median: seconds } of kernels)
    if (kernel.kind !== 'memory') products.get(productName(kernel))!.push({ amounts: productAmounts(kernel), seconds });
    else {
      const op = kernel.op ?? '';
      memory.set(op, [...(memory.get(op) ?? []), { amounts: memoryAmounts(kernel), seconds }]);
    }
  return {
    products: Object.fromEntries(
      [...products].map(([name, rows]) => [name, fitted(rows)]),
    ) as MeasuredKernels['products'],
    memory: Object.fromEntries([...memory].map(([op, rows]) => [op, fitted(rows)])),
    others: fitted([...memory.values()].flat()),
  };
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

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}
