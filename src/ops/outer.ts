// The ops with which replicas that took steps of their own come together: means over them, and the outer optimizer's step.
import { expectShape, type NdArray, type Op, type Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { expectSame, ndarray } from './shapes.ts';

/** A sum over replicas -> their mean. */
const meanOfSumOp: Op<{ replicas: number }> = {
  name: 'meanOfSum',
  shape: ([sum]) => [sum!],
  typing: { dims: 'n -> n' },
  execution: {
    by: 'host',
    run: ([sum], [mean], { replicas }) => {
      for (let i = 0; i < mean!.length; i++) mean![i] = sum![i]! / replicas;
    },
  },
  reference: ([sum], { replicas }) => [ndarray(sum!.shape, (i) => sum!.data[i]! / replicas)],
};

export interface OuterAttrs {
  readonly replicas: number;
  readonly learningRate: number;
  readonly momentum: number;
}

/**
 * Operands: the sum of the replicas' parameters, the parameters that they last agreed on, the momentum. Results: the new parameters, twice
 * (for all, and to be agreed on), the new momentum.
 *
 * The new parameters are written from the mean of the replicas' on, not from what they last agreed on: with a rate of 1 and no
 * momentum they are that mean to the last bit.
 */
const outerStepOp: Op<OuterAttrs> = {
  name: 'outerStep',
  shape: ([sum, synchronised, momentum]) => {
    expectShape(sum!.shape.length === 1, `needs vectors, got [${sum!.shape}]`);
    expectSame(sum!, synchronised!);
    expectSame(sum!, momentum!);
    return [sum!, sum!, sum!];
  },
  typing: { dims: 'n, n, n -> n, n, n' },
  inPlace: [0, 1, 2],
  execution: {
    by: 'host',
    run: ([sum, synchronised, momentum], [param, agreed, kept], attrs) => {
      const { replicas, learningRate, momentum: decay } = attrs;
      for (let i = 0; i < param!.length; i++) {
        const mean = sum![i]! / replicas;
        const gradient = synchronised![i]! - mean;
        const velocity = decay * momentum![i]! + gradient;
        const moved = mean + (1 - learningRate) * gradient - learningRate * decay * velocity;
        param![i] = moved;
        agreed![i] = moved;
        kept![i] = velocity;
      }
    },
  },
  reference: (operands, attrs) => outerReference(operands, attrs),
};

/** As PyTorch's SGD with `nesterov` computes it. */
function outerReference(operands: readonly NdArray[], { replicas, learningRate, momentum }: OuterAttrs): NdArray[] {
  const [sum, synchronised, velocity] = operands as [NdArray, NdArray, NdArray];
  const gradient = synchronised.data.map((value, i) => value - sum.data[i]! / replicas);
  const next = velocity.data.map((value, i) => momentum * value + gradient[i]!);
  const moved = ndarray(sum.shape, (i) => synchronised.data[i]! - learningRate * (gradient[i]! + momentum * next[i]!));
  return [moved, moved, { shape: sum.shape, data: next }];
}

/** The mean of so many, from their sum [n]. */
export const meanOfSum = (sum: Value, replicas: number): Value => apply(meanOfSumOp, [sum], { replicas })[0]!;

/**
 * One step of SGD with Nesterov momentum on vectors [n], whose gradient is `synchronised` less the mean of the replicas' parameters (Douillard
 * et al., "DiLoCo: Distributed Low-Communication Training of Language Models", 2023). Returns the new parameters; what was last agreed
 * on and the momentum are changed in place.
 */
export const outerStep = (
  state: { readonly sum: Value; readonly synchronised: Value; readonly momentum: Value },
  attrs: OuterAttrs,
): Value => apply(outerStepOp, [state.sum, state.synchronised, state.momentum], attrs)[0]!;

export const outerOps = { meanOfSumOp, outerStepOp };
