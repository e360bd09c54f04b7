// Seconds of the products that a layer needs of a microbatch, known from its parameters without tracing any program: every matrix is multiplied
// with the tokens once forward and twice backward.
import { layerLike, type ModelConfig } from '../../model/config.ts';
import { type ParamSpec, paramSpecs, shardShape } from '../../model/params.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { TrainingCosts } from '../training/costs.ts';
import { type Kind, kindLayout, type SearchTask } from './task.ts';

/** Seconds of one microbatch. */
export interface ProductSeconds {
  readonly forward: number;
  readonly inputGradient: number;
  readonly weightGradient: number;
  /** Of those that full recomputation has to take again: nobody reads again what the MLP's last one makes. */
  readonly again: number;
}

/** Tokens of a microbatch on a rank; sp cuts them only between products. */
export const tokensOf = ({ seqLen }: Pick<SearchTask, 'seqLen'>, { microBatch, cp }: Kind): number =>
  (microBatch * seqLen) / cp;

/** Matrices of a rank that have the same size. */
export interface AlikeMatrices {
  /** Experts; 0: it is one matrix. */
  readonly groups: number;
  readonly outputs: number;
  readonly inputs: number;
  readonly count: number;
  /** Those that full recomputation has to multiply with again. */
  readonly again: number;
}

/** Of a layer, those that are cut over tp: of others ranks may have fewer tokens each. */
export function matricesOf({ config }: SearchTask, kind: Kind, layer: number): AlikeMatrices[] {
  const layout = kindLayout(kind);
  const all: { groups: number; outputs: number; inputs: number; count: number; again: number }[] = [];
  for (const spec of paramSpecs(config, layout, { name: 'block', layer })) {
    const shape = isShared(spec, kind) ? [config.headDim, config.hiddenSize] : shardShape(spec, layout);
    if (spec.key.endsWith('.bias') || shape.length < 2 || !(isCut(spec, kind) || isShared(spec, kind))) continue;
    const { groups, outputs, inputs } = isShared(spec, kind)
      ? { groups: 0, outputs: shape[0]!, inputs: shape[1]! }
      : sizesOf(config, shape);
    let alike = all.find((each) => each.groups === groups && each.outputs === outputs && each.inputs === inputs);
    if (!alike) {
      alike = { groups, outputs, inputs, count: 0, again: 0 };
      all.push(alike);
    }
    alike.count += 1;
    if (!spec.key.endsWith('down.weight')) alike.again += 1;
  }
  return all;
}

/** With so many tokens; `perToken`: experts that each goes to. */
export function leastProducts(
  matrices: readonly AlikeMatrices[],
  tokens: number,
  perToken: number,
  { kernel }: TrainingCosts,
): ProductSeconds {
  const sum = { forward: 0, inputGradient: 0, weightGradient: 0, again: 0 };
  for (const { groups, outputs, inputs, count, again } of matrices) {
    const rows = groups === 0 ? tokens : tokens * perToken;
    const product = (n: number, k: number): KernelShape =>
      groups === 0 ? { kind: 'matmul', batch: 1, m: rows, n, k } : { kind: 'grouped', groups, rows, n, k };
    const ofWeights: KernelShape =
      groups === 0
        ? { kind: 'matmul', batch: 1, m: outputs, n: inputs, k: rows, accumulates: true }
        : { kind: 'grouped', groups, rows, n: inputs, k: outputs, weights: true };
    const forward = kernel(product(outputs, inputs));
    sum.forward += count * forward;
    sum.again += again * forward;
    sum.inputGradient += count * kernel(product(inputs, outputs));
    sum.weightGradient += count * kernel(ofWeights);
  }
  return sum;
}

const isCut = ({ types }: ParamSpec, { tp }: Kind): boolean => tp === 1 || types.tp?.startsWith('V') === true;

/** Of key-value heads that are fewer than the ranks, each of which uses one: they are stored whole. */
const isShared = ({ key, types }: ParamSpec, { tp }: Kind): boolean =>
  tp > 1 && !types.tp?.startsWith('V') && (key === 'k.weight' || key === 'v.weight');

/** `groups`: experts; 0: it is one matrix. */
function sizesOf({ weightOrder }: ModelConfig, shape: readonly number[]) {
  if (shape.length === 3) return { groups: shape[0]!, outputs: shape[1]!, inputs: shape[2]! };
  const [outputs, inputs] = weightOrder === 'out,in' ? [shape[0]!, shape[1]!] : [shape[1]!, shape[0]!];
  return { groups: 0, outputs, inputs };
}

/** Layers that are built alike. */
export interface AlikeLayers {
  /** The first of them. */
  readonly layer: number;
  readonly count: number;
}

export function alikeLayers(config: ModelConfig): AlikeLayers[] {
  const counts = new Map<number, number>();
  for (let layer = 0; layer < config.layers; layer++) {
    const like = layerLike(config, layer);
    counts.set(like, (counts.get(like) ?? 0) + 1);
  }
  return [...counts].map(([layer, count]) => ({ layer, count }));
}
