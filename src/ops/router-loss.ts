// Losses of a router: one that grows with how uneven experts are used, one that grows with the size of its logits.
//
//   balance   Σ over tokens and experts of (slots of the expert in the token's sequence) · (the router's share for it)
//   z         Σ over tokens of log(Σ exp(logits))²
//
// Counts are constants to the gradient: it says which experts to want less.
import type { Op, TensorShape, Value } from '../program/program.ts';
import { expectShape } from '../program/program.ts';
import { apply, record } from '../program/trace.ts';
import { dualTypes, typedAxes } from '../program/types.ts';
import { eachToken, type Scores, unscored } from './router-scores.ts';
import { float, lastDim, ndarray, rowsOf } from './shapes.ts';

interface Scaled {
  /** What the sum is multiplied by. */
  readonly by: number;
}
interface Balance extends Scaled {
  readonly scores: Scores;
}

function expectCounts(logits: TensorShape, counts: TensorShape): void {
  const wanted = [logits.shape[0]!, lastDim(logits.shape)];
  expectShape(
    logits.shape.length === 3 && counts.shape.join() === wanted.join(),
    `needs logits [b, s, experts] and counts [b, experts], got [${logits.shape}] and [${counts.shape}]`,
  );
}
const expectLogits = ({ shape }: TensorShape): void =>
  expectShape(shape.length === 3, `needs logits [b, s, experts], got [${shape}]`);

/** Scores that add up to one: those of a softmax do. */
const sumOf = (scores: Float64Array, kind: Scores): number =>
  kind === 'softmax' ? 1 : scores.reduce((sum, score) => sum + score, 0);

/** Where the counts of a token's sequence begin. */
const countsAt = ({ shape }: TensorShape, token: number): number => Math.floor(token / shape[1]!) * lastDim(shape);

const sharesReference = (logits: ArrayLike<number>, kind: Scores): number[] => {
  const scores = Array.from(logits, (logit) => (kind === 'softmax' ? Math.exp(logit) : 1 / (1 + Math.exp(-logit))));
  const sum = scores.reduce((total, score) => total + score, 0);
  return scores.map((score) => score / sum);
};

const balanceLossOp: Op<Balance> = {
  name: 'balanceLoss',
  shape: ([logits, counts]) => {
    expectCounts(logits!, counts!);
    return [float([1])];
  },
  typing: { dims: 'b s e!, b e! -> 1' },
  vjp: ({ node: { inputs, attrs }, gradients: [g] }) => [
    apply(balanceLossGradOp, [g!, ...inputs], attrs)[0],
    undefined,
  ],
  execution: {
    by: 'host',
    run: ([logits, counts], [loss], { scores: kind, by }, { inputs: [shaped] }) => {
      const experts = lastDim(shaped!.shape);
      let sum = 0;
      eachToken(logits!, experts, kind, (token, scores) => {
        const [from, all] = [countsAt(shaped!, token), sumOf(scores, kind)];
        for (let i = 0; i < experts; i++) sum += counts![from + i]! * (scores[i]! / all);
      });
      loss![0] = sum * by;
    },
  },
  reference: ([logits, counts], { scores, by }) => {
    const [batch, length, experts] = logits!.shape as [number, number, number];
    let sum = 0;
    for (let row = 0; row < batch; row++)
      for (let expert = 0; expert < experts; expert++) {
        let share = 0;
        for (let token = row * length; token < (row + 1) * length; token++)
          share += sharesReference(logits!.data.subarray(token * experts, (token + 1) * experts), scores)[expert]!;
        sum += counts!.data[row * experts + expert]! * share;
      }
    return [ndarray([1], () => sum * by)];
  },
};

const balanceLossGradOp: Op<Balance> = {
  name: 'balanceLossGrad',
  shape: ([, logits, counts]) => {
    expectCounts(logits!, counts!);
    return [float(logits!.shape)];
  },
  typing: { dims: '1, b s e!, b e! -> b s e', linear: [0] },
  execution: {
    by: 'host',
    run: ([dLoss, logits, counts], [dLogits], { scores: kind, by }, { inputs: [, shaped] }) => {
      const experts = lastDim(shaped!.shape);
      const gradient = new Float64Array(experts);
      eachToken(logits!, experts, kind, (token, scores) => {
        const [from, all] = [countsAt(shaped!, token), sumOf(scores, kind)];
        const amount = (dLoss![0]! * by) / all;
        // Of shares that are divided by their sum, which a softmax is without: a score also lowers the others' shares.
        let common = 0;
        if (kind !== 'softmax') for (let i = 0; i < experts; i++) common += counts![from + i]! * (scores[i]! / all);
        for (let i = 0; i < experts; i++) gradient[i] = amount * (counts![from + i]! - common);
        unscored[kind](gradient, scores);
        for (let i = 0; i < experts; i++) dLogits![token * experts + i] = gradient[i]!;
      });
    },
  },
  reference: ([dLoss, logits, counts], { scores, by }) => {
    // By the matrix of all derivatives of a token: of shares by scores, and of scores by logits.
    const [, length, experts] = logits!.shape as [number, number, number];
    const amount = dLoss!.data[0]! * by;
    return [
      ndarray(logits!.shape, (at) => {
        const token = Math.floor(at / experts);
        const row = logits!.data.subarray(token * experts, (token + 1) * experts);
        const from = Math.floor(token / length) * experts;
        const [share, own] = [sharesReference(row, scores), at % experts];
        const slope = scores === 'softmax' ? 1 : 1 - 1 / (1 + Math.exp(-row[own]!));
        return share.reduce(
          (sum, each, i) =>
            sum + amount * counts!.data[from + i]! * slope * (i === own ? each - each ** 2 : -each * share[own]!),
          0,
        );
      }),
    ];
  },
};

/** log(Σ exp), and the shares of the sum in place of the logits. */
function logSumExp(row: Float64Array): number {
  const most = row.reduce((a, b) => Math.max(a, b));
  let sum = 0;
  for (const [i, logit] of row.entries()) sum += row[i] = Math.exp(logit - most);
  for (const i of row.keys()) row[i]! /= sum;
  return most + Math.log(sum);
}

/** Calls `visit` with every token, the log-sum-exp of its logits and their softmax. */
function eachLogSumExp(
  logits: ArrayLike<number>,
  experts: number,
  visit: (token: number, logSum: number, shares: Float64Array) => void,
): void {
  const row = new Float64Array(experts);
  for (let token = 0; token * experts < logits.length; token++) {
    for (let i = 0; i < experts; i++) row[i] = logits[token * experts + i]!;
    visit(token, logSumExp(row), row);
  }
}

const zLossOp: Op<Scaled> = {
  name: 'zLoss',
  shape: ([logits]) => {
    expectLogits(logits!);
    return [float([1])];
  },
  typing: { dims: 'b s e! -> 1' },
  vjp: ({ node: { inputs, attrs }, gradients: [g] }) => apply(zLossGradOp, [g!, ...inputs], attrs),
  execution: {
    by: 'host',
    run: ([logits], [loss], { by }, { inputs: [shaped] }) => {
      let sum = 0;
      eachLogSumExp(logits!, lastDim(shaped!.shape), (_, logSum) => {
        sum += logSum ** 2;
      });
      loss![0] = sum * by;
    },
  },
  reference: ([logits], { by }) => {
    const experts = lastDim(logits!.shape);
    let sum = 0;
    for (let token = 0; token < rowsOf(logits!.shape); token++)
      sum +=
        Math.log(logits!.data.subarray(token * experts, (token + 1) * experts).reduce((s, z) => s + Math.exp(z), 0)) **
        2;
    return [ndarray([1], () => sum * by)];
  },
};

const zLossGradOp: Op<Scaled> = {
  name: 'zLossGrad',
  shape: ([, logits]) => {
    expectLogits(logits!);
    return [float(logits!.shape)];
  },
  typing: { dims: '1, b s e! -> b s e', linear: [0] },
  execution: {
    by: 'host',
    run: ([dLoss, logits], [dLogits], { by }, { inputs: [, shaped] }) => {
      const experts = lastDim(shaped!.shape);
      const amount = 2 * by * dLoss![0]!;
      eachLogSumExp(logits!, experts, (token, logSum, shares) => {
        for (let i = 0; i < experts; i++) dLogits![token * experts + i] = amount * logSum * shares[i]!;
      });
    },
  },
  reference: ([dLoss, logits], { by }) => {
    const experts = lastDim(logits!.shape);
    return [
      ndarray(logits!.shape, (at) => {
        const first = Math.floor(at / experts) * experts;
        const sum = logits!.data.subarray(first, first + experts).reduce((s, z) => s + Math.exp(z), 0);
        return (2 * by * dLoss!.data[0]! * Math.log(sum) * Math.exp(logits!.data[at]!)) / sum;
      }),
    ];
  },
};

/** The operand only says where in the program it is made. */
const constantOp: Op<{ readonly value: number }> = {
  name: 'constant',
  shape: () => [float([1])],
  execution: { by: 'host', run: (_, [out], { value }) => void out!.fill(value) },
  reference: (_, { value }) => [ndarray([1], () => value)],
};

/**
 * Logits [b, s, experts] and how many slots each expert has in a sequence [b, experts] -> Σ counts · shares, times `by` [1]: of all
 * sequences that are there. Shares are the scores, divided by their sum where they do not add up to one.
 */
export const balanceLoss = (logits: Value, counts: Value, attrs: Balance): Value =>
  apply(balanceLossOp, [logits, counts], attrs)[0]!;

/** Logits [b, s, experts] -> Σ over tokens of their squared log-sum-exp, times `by` [1] (Zoph et al., "ST-MoE", 2022, equation 5). */
export const zLoss = (logits: Value, by: number): Value => apply(zLossOp, [logits], { by })[0]!;

/**
 * The gradient to start from of a loss [1] that counts `weight` times in what is minimised, made where `near` is there. Ranks that have
 * the loss alike (R) have it once between them: it counts on the first.
 */
export function lossGradient(loss: Value, weight: number, near: Value): Value {
  const { coords } = loss.trace;
  const counts = typedAxes.every((axis) => loss.types[axis] !== 'R' || coords[axis] === 0);
  return record(constantOp, [near], { value: counts ? weight : 0 }, [float([1])], [dualTypes(loss.types)])[0]!;
}

export const routerLossOps = { balanceLossOp, balanceLossGradOp, zLossOp, zLossGradOp, constantOp };
