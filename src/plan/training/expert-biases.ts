// What biases of experts cost where they are added op by op: passes over the rows of experts that no op of a program is.
import type { ModelConfig } from '../../model/config.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';

interface Passes {
  /** Bytes of an activated number of a row: both halves are clamped and put together again. */
  readonly activated: number;
  /** Bytes of a number of a row that leaves an expert. */
  readonly out: number;
  /** Kernels of each expert. */
  readonly kernels: number;
}

/**
 * By the program's op beside which they are done, as Megatron-Core's TEGroupedMLP has them (experts.py, fused_bias_geglu.py), numbers of 16 bits: a
 * clamp reads and writes 2 + 2 bytes, of two halves, and cat as much again. The bias of the last product times the token's weight is fp32
 * (4 written), added to the row (2 + 4 read, 4 written), concatenated (4 + 4) and made narrow (4 + 2). Backward goes through gradients and
 * inputs of the clamps (6 of each half) and puts halves together (8); gradients of rows are widened (2 + 4) and made narrow (4 + 2), times
 * weights (4 + 4) and summed (4), times biases (4 + 4) and summed (4), and concatenated (4).
 */
const passesOf: Readonly<Record<string, Passes>> = {
  'swiglu of counted rows': { activated: 16, out: 28, kernels: 2 },
  'swigluGrad of counted rows': { activated: 20, out: 40, kernels: 7 },
};

/** Numbers that the op goes through for each that is activated. */
const numbersOf: Readonly<Record<string, number>> = { 'swiglu of counted rows': 3, 'swigluGrad of counted rows': 5 };

/** Beside `kernel`, where it is the activation of experts that have biases: bytes, and kernels of each expert. */
export function biasPasses(
  kernel: Extract<KernelShape, { readonly kind: 'memory' }>,
  { mixture, hiddenSize }: ModelConfig,
  tp: number,
): { readonly bytes: number; readonly kernels: number } | undefined {
  const { op = '' } = kernel;
  const passes = passesOf[op];
  if (!mixture?.biases || !passes) return undefined;
  const activated = kernel.floats / numbersOf[op]!;
  const out = (activated / (mixture.intermediateSize / tp)) * hiddenSize;
  return { bytes: activated * passes.activated + out * passes.out, kernels: passes.kernels };
}
