// The loss of direct preference optimization: what the policy prefers more than the reference does, pair by pair.
// Rafailov et al., "Direct preference optimization: your language model is secretly a reward model", 2023, equation 7.
//
//   reward = beta · (log π(completion) - log π_ref(completion))       loss = -log σ(reward of the chosen - reward of the rejected)
import type { Value } from '../program/program.ts';
import { elements, expectShape, type Numbers, type Op, type TensorShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { float, ndarray, sameShape } from './shapes.ts';

interface PreferenceAttrs {
  /** How much a departure from the reference counts; above 0. */
  readonly beta: number;
}

/** What is told of a step's pairs beside their loss, as means; log-probabilities and rewards are of whole completions, in nats. */
export const preferenceFigures = [
  'rewards/chosen',
  'rewards/rejected',
  'rewards/accuracies',
  'rewards/margins',
  'logps/chosen',
  'logps/rejected',
] as const;

type Operands = readonly [sums: Numbers, reference: Numbers, weights: Numbers, scale: Numbers];

function expectPairs(sums: TensorShape, reference: TensorShape, weights: TensorShape, scale: TensorShape): void {
  expectShape(
    sums.shape.length === 3 && sums.shape[2] === 2 && sameShape(sums.shape, reference.shape),
    `needs log-probabilities [b, pairs, 2] of the policy and the reference, got [${sums.shape}] and [${reference.shape}]`,
  );
  expectShape(
    sameShape(weights.shape, sums.shape.slice(0, 2)) && elements(scale.shape) === 1,
    `needs weights [${sums.shape.slice(0, 2)}] and a scale [1], got [${weights.shape}] and [${scale.shape}]`,
  );
}

/** log(1 + exp(x)), which neither overflows nor loses what is small. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** The two rewards of a pair. */
const rewardsOf = ([sums, reference]: Operands, pair: number, beta: number): readonly [number, number] => [
  beta * (sums[2 * pair]! - reference[2 * pair]!),
  beta * (sums[2 * pair + 1]! - reference[2 * pair + 1]!),
];

/** Σ over pairs of weight · loss · scale, and of weight · figure · scale. */
const preferenceLossOp: Op<PreferenceAttrs> = {
  name: 'preferenceLoss',
  shape: ([sums, reference, weights, scale]) => {
    expectPairs(sums!, reference!, weights!, scale!);
    return [float([1]), float([preferenceFigures.length])];
  },
  typing: { dims: 'b p 1, b p 1, b p, 1 -> 1, 1' },
  vjp: ({ node, gradients: [g] }) => [
    apply(preferenceLossGradOp, [g!, ...node.inputs], node.attrs)[0],
    undefined,
    undefined,
    undefined,
  ],
  execution: {
    by: 'host',
    run: (operands, [loss, figures], { beta }) => {
      const [sums, , weights, scale] = operands as unknown as Operands;
      loss!.fill(0);
      figures!.fill(0);
      for (let pair = 0; pair < weights.length; pair++) {
        const counts = weights[pair]! * scale[0]!;
        // Room that no pair takes holds whatever is there.
        if (counts === 0) continue;
        const [chosen, rejected] = rewardsOf(operands as unknown as Operands, pair, beta);
        const margin = chosen - rejected;
        loss![0]! += counts * softplus(-margin);
        const of = [chosen, rejected, margin > 0 ? 1 : 0, margin, sums[2 * pair]!, sums[2 * pair + 1]!];
        for (const [index, figure] of of.entries()) figures![index]! += counts * figure;
      }
    },
  },
  reference: ([sums, reference, weights, scale], { beta }) => {
    const mean = (of: (chosen: number, rejected: number, pair: number) => number): number =>
      weights!.data.reduce((sum, weight, pair) => {
        const [chosen, rejected] = [0, 1].map(
          (side) => beta * (sums!.data[2 * pair + side]! - reference!.data[2 * pair + side]!),
        );
        return sum + weight * scale!.data[0]! * of(chosen!, rejected!, pair);
      }, 0);
    const figures = [
      mean((chosen) => chosen),
      mean((_, rejected) => rejected),
      mean((chosen, rejected) => (chosen > rejected ? 1 : 0)),
      mean((chosen, rejected) => chosen - rejected),
      mean((_, __, pair) => sums!.data[2 * pair]!),
      mean((_, __, pair) => sums!.data[2 * pair + 1]!),
    ];
    const loss = mean((chosen, rejected) => -Math.log(1 / (1 + Math.exp(rejected - chosen))));
    return [ndarray([1], () => loss), ndarray([figures.length], (i) => figures[i]!)];
  },
};

const preferenceLossGradOp: Op<PreferenceAttrs> = {
  name: 'preferenceLossGrad',
  shape: ([, sums, reference, weights, scale]) => {
    expectPairs(sums!, reference!, weights!, scale!);
    return [float(sums!.shape)];
  },
  typing: { dims: '1, b p 1, b p 1, b p, 1 -> b p 1', linear: [0] },
  execution: {
    by: 'host',
    run: ([g, ...operands], [out], { beta }) => {
      const [, , weights, scale] = operands as unknown as Operands;
      out!.fill(0);
      for (let pair = 0; pair < weights.length; pair++) {
        const counts = weights[pair]! * scale[0]!;
        if (counts === 0) continue;
        const [chosen, rejected] = rewardsOf(operands as unknown as Operands, pair, beta);
        const each = g![0]! * counts * beta * sigmoid(rejected - chosen);
        out![2 * pair] = -each;
        out![2 * pair + 1] = each;
      }
    },
  },
  reference: ([g, sums, reference, weights, scale], { beta }) => [
    ndarray(sums!.shape, (i) => {
      const pair = Math.floor(i / 2);
      const [chosen, rejected] = [2 * pair, 2 * pair + 1].map((at) => beta * (sums!.data[at]! - reference!.data[at]!));
      const each = (beta * weights!.data[pair]! * scale!.data[0]! * g!.data[0]!) / (1 + Math.exp(chosen! - rejected!));
      return i % 2 === 0 ? -each : each;
    }),
  ],
};

/**
 * Log-probabilities of completions [b, pairs, 2] (the chosen first) by the policy and by the reference, weights of pairs [b, pairs]
 * and a scale [1] -> the scaled, weighted sums of their losses [1] and of {@link preferenceFigures}. Only the policy has a gradient.
 */
export function preferenceLoss(
  operands: { readonly sums: Value; readonly reference: Value; readonly weights: Value; readonly scale: Value },
  attrs: PreferenceAttrs,
): { readonly loss: Value; readonly figures: Value } {
  const { sums, reference, weights, scale } = operands;
  const [loss, figures] = apply(preferenceLossOp, [sums, reference, weights, scale], attrs);
  return { loss: loss!, figures: figures! };
}

export const preferenceOps = { preferenceLossOp, preferenceLossGradOp };
