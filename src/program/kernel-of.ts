// What a device has to do for a node of a program.
import type { KernelShape } from './kernel-shape.ts';
import { elementBytes, elements, type Node, type TensorShape } from './program.ts';

/** Undefined: nothing, as for what only re-types or talks. An op that says no kernel of its own goes through the memory of its operands and results. */
export function kernelOf({
  op,
  inputs,
  outputs,
  attrs,
  site,
}: Pick<Node, 'op' | 'inputs' | 'outputs' | 'attrs' | 'site'>): KernelShape | undefined {
  const { by } = op.execution;
  if (by === 'nobody' || by === 'transport') return undefined;
  const kernel = op.kernel ? op.kernel(inputs, attrs) : memoryKernel([...inputs, ...outputs]);
  if (kernel?.kind !== 'memory') return kernel;
  return { ...kernel, op: op.name, ...(site.endsWith('experts') ? { ofExperts: true } : {}) };
}

/** Reads or writes each of these tensors once. */
export function memoryKernel(tensors: readonly TensorShape[]): KernelShape {
  let [floats, bytes] = [0, 0];
  for (const { shape, dtype } of tensors) {
    const count = elements(shape);
    if (dtype === 'float') floats += count;
    // As wide in every run.
    else bytes += count * elementBytes(dtype, 'f32');
  }
  return { kind: 'memory', floats, bytes };
}

/** Matrix-multiply FLOPs of a kernel: 2 a multiply-add. */
export function kernelFlops(kernel: KernelShape): number {
  switch (kernel.kind) {
    case 'matmul':
      return 2 * kernel.batch * kernel.m * kernel.n * kernel.k;
    case 'grouped':
      return 2 * kernel.rows * kernel.n * kernel.k;
    case 'attention': {
      const { pass, batch, heads, scores, headDim, valueDim } = kernel;
      // Scores and their product with the values; going back scores again, and the gradients of q, k, v and of the probabilities.
      const perScore = pass === 'forward' ? headDim + valueDim : 3 * headDim + 2 * valueDim;
      return 2 * batch * heads * scores * perScore;
    }
    case 'memory':
      return 0;
  }
}
