// How experts work in Megatron-Core (TEGroupedMLP), where that differs from the ops of a program: passes over their rows that it saves, or makes besides.
import type { ModelConfig } from '../../model/config.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { Software } from '../software/software.ts';

type MemoryKernel = Extract<KernelShape, { readonly kind: 'memory' }>;

interface BiasPasses {
  /** Numbers that the op goes through for each that is activated. */
  readonly numbers: number;
  /** Bytes of an activated number: both halves are clamped and put together again. */
  readonly activated: number;
  /** Bytes of a number of a row that leaves an expert. */
  readonly out: number;
  /** Kernels of each expert. */
  readonly kernels: number;
}

/**
 * Where experts have biases, by the op beside which they are added. Of experts.py and fused_bias_geglu.py, numbers of 16 bits: a clamp reads and
 * writes 2 + 2 bytes, of two halves, and cat as much again. The bias of the last product times the token's weight is fp32 (4 written), added to
 * the row (2 + 4 read, 4 written), concatenated (4 + 4) and made narrow (4 + 2). Backward goes through gradients and inputs of the clamps (6
 * of each half) and puts halves together (8); gradients of rows are widened (2 + 4) and made narrow (4 + 2), times weights (4 + 4) and
 * summed (4), times biases (4 + 4) and summed (4), and concatenated (4).
 */
const biasPasses: Readonly<Record<string, BiasPasses>> = {
  swiglu: { numbers: 3, activated: 16, out: 28, kernels: 2 },
  swigluGrad: { numbers: 5, activated: 20, out: 40, kernels: 7 },
};

/** Tokens' weights are applied where rows are activated, and both first products are one, whose gradient needs no sum. */
const inActivation = ['scaleRows', 'rowProduct', 'add'];

/** Activations are taken by the products themselves. */
const inProducts = Object.keys(biasPasses);

/** Of an op on experts' rows, counted or not, its name; of another none. */
const opOfExperts = ({ op = '', ofExperts }: MemoryKernel): string =>
  ofExperts ? op.replace(/ of counted rows$/, '') : '';

/** The op is part of another's kernel. Experts with biases are never one kernel: its last product has no place for a bias times a weight. */
export function isWithin(kernel: MemoryKernel, { experts }: Software, { mixture }: ModelConfig): boolean {
  if (experts === 'by op') return false;
  const op = opOfExperts(kernel);
  return inActivation.includes(op) || (experts === 'fused' && !mixture?.biases && inProducts.includes(op));
}

/** What biases need beside the op: bytes, and kernels of each expert. */
export function biasesBeside(
  kernel: MemoryKernel,
  { experts }: Software,
  { mixture, hiddenSize }: ModelConfig,
  tp: number,
): { readonly bytes: number; readonly kernels: number } {
  const passes = biasPasses[opOfExperts(kernel)];
  if (experts === 'by op' || !mixture?.biases || !passes) return { bytes: 0, kernels: 0 };
  const activated = kernel.floats / passes.numbers;
  const out = (activated / (mixture.intermediateSize / tp)) * hiddenSize;
  return { bytes: activated * passes.activated + out * passes.out, kernels: passes.kernels };
}
