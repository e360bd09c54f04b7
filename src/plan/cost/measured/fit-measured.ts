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

/** Costs are fitted to each kernel's lower quartile: what else a machine does makes times longer, which is no part of them. */
export function fitKernels(timed: readonly TimedKernel[]): MeasuredKernels {
  const kernels = merged(timed).map(({ kernel, seconds }) => ({ kernel, seconds: lowerQuartile(seconds) }));
  const products = new Map<ProductName, Measured[]>(productNames.map((name) => [name, []]));
  const memory = new Map<string, Measured[]>();
  for (const { kernel, seconds } of kernels)
    if (kernel.kind !== 'memory') products.get(productName(kernel))!.push({ amounts: productAmounts(kernel), seconds });
    else {
      const op = kernel.op ?? '';
      memory.set(op, [...(memory.get(op) ?? []), { amounts: memoryAmounts(kernel), seconds }]);
    }
  return {
    products: Object.fromEntries(
      [...products].map(([name, rows]) => [name, nonNegativeFit(rows)]),
    ) as unknown as MeasuredKernels['products'],
    memory: Object.fromEntries([...memory].map(([op, rows]) => [op, nonNegativeFit(rows)])),
    others: nonNegativeFit([...memory.values()].flat()),
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

/** Of times, which what else the machine does only ever makes longer. */
export const lowerQuartile = (seconds: readonly number[]): number =>
  [...seconds].sort((a, b) => a - b)[(seconds.length - 1) >> 2]!;
