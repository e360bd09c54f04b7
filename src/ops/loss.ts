// Next-token cross-entropy over a vocabulary that may be sharded: per-token statistics of the logits, then the loss.
//
//   logits V ── vocabMax ──► Pmax ── all-reduce ──► R ┐
//          └──────────────────── vocabStats ◄─────────┘──► P ── all-reduce ──► I ── tokenLoss ──► sum
import type { OnnxBuilder } from '../program/onnx-builder.ts';
import type { Value } from '../program/program.ts';
import { elements, expectShape, type Op, type TensorShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { float, lastDim, ndarray, sameShape } from './shapes.ts';

/** Stands for -∞: hides the rows that pad the vocabulary. */
const hidden = -1e30;

interface MaxAttrs {
  /** How many of the logits this rank holds are real; those after only pad the vocabulary. */
  readonly valid: number;
}
interface StatsAttrs extends MaxAttrs {
  /** The first token id this rank holds. */
  readonly offset: number;
}

const expectValid = (valid: number, size: number): void =>
  expectShape(valid >= 0 && valid <= size, `${valid} valid logits of ${size}; give 0 to ${size}`);

function withoutPadding(onnx: OnnxBuilder, logits: string, size: number, valid: number): string {
  if (valid === size) return logits;
  return onnx.add('Add', [
    logits,
    onnx.floats(
      Float64Array.from({ length: size }, (_, i) => (i < valid ? 0 : hidden)),
      [size],
    ),
  ]);
}

/** The largest logit of each token; a constant to the gradient, since the loss does not depend on it. */
const vocabMaxOp: Op<MaxAttrs> = {
  name: 'vocabMax',
  shape: ([z], { valid }) => {
    expectShape(z!.shape.length === 3, `needs logits [b, s, v], got [${z!.shape}]`);
    expectValid(valid, lastDim(z!.shape));
    return [float([...z!.shape.slice(0, -1), 1])];
  },
  typing: { dims: 'b s v -> b s 1', reduce: 'max' },
  vjp: () => [undefined],
  execution: {
    by: 'onnx',
    lower: (onnx, [z], { valid }, node) => [
      onnx.add('ReduceMax', [withoutPadding(onnx, z!, lastDim(node.inputs[0]!.shape), valid), onnx.int64s(-1)]),
    ],
  },
  reference: ([z], { valid }) => {
    const size = lastDim(z!.shape);
    return [
      ndarray([...z!.shape.slice(0, -1), 1], (row) =>
        Math.max(hidden, ...z!.data.subarray(row * size, row * size + valid)),
      ),
    ];
  },
};

/** Where each target lies in this shard, and whether it does. */
function targetsHere(onnx: OnnxBuilder, targets: string, offset: number, size: number, shape: readonly number[]) {
  const index = onnx.reshape(onnx.add('Sub', [targets, onnx.int32(offset)]), shape);
  const inside = onnx.add('And', [
    onnx.add('GreaterOrEqual', [index, onnx.int32(0)]),
    onnx.add('Less', [index, onnx.int32(size)]),
  ]);
  return { inside, index: onnx.add('Where', [inside, index, onnx.int32(0)]) };
}

/** Per token: [0] Σ exp(logit - max), [1] the target's logit - max (0 if this shard does not hold it). */
const vocabStatsOp: Op<StatsAttrs> = {
  name: 'vocabStats',
  shape: ([z, targets, most], { valid }) => {
    const [batch, length, size] = z!.shape;
    expectShape(
      z!.shape.length === 3 && targets!.dtype === 'int' && sameShape(targets!.shape, [batch!, length!]),
      `needs logits [b, s, v] and int targets [b, s], got [${z!.shape}] and ${targets!.dtype} [${targets!.shape}]`,
    );
    expectShape(
      sameShape(most!.shape, [batch!, length!, 1]),
      `needs the maximum of each token [${batch},${length},1], got [${most!.shape}]`,
    );
    expectValid(valid, size!);
    return [float([2, ...targets!.shape])];
  },
  typing: { dims: 'b s v, b s, b s 1 -> 1 b s' },
  vjp: ({ node, gradients: [g] }) => [
    apply(vocabStatsGradOp, [g!, ...node.inputs], node.attrs)[0],
    undefined,
    undefined,
  ],
  execution: {
    by: 'onnx',
    lower: (onnx, [z, targets, most], { offset, valid }, node) => {
      const [batch, length, size] = node.inputs[0]!.shape as [number, number, number];
      const above = onnx.add('Sub', [withoutPadding(onnx, z!, size, valid), most!]);
      const sum = onnx.add('ReduceSum', [onnx.add('Exp', [above]), onnx.int64s(-1)]);
      const { index, inside } = targetsHere(onnx, targets!, offset, valid, [batch, length, 1]);
      const picked = onnx.add('GatherElements', [above, index], { axis: 2 });
      const target = onnx.add('Where', [inside, picked, onnx.scalar(0)]);
      return [
        onnx.reshape(onnx.add('Concat', [onnx.reshape(sum, [1, -1]), onnx.reshape(target, [1, -1])], { axis: 0 }), [
          2,
          batch,
          length,
        ]),
      ];
    },
  },
  reference: ([z, targets, most], { offset, valid }) => {
    const [batch, length, size] = z!.shape as [number, number, number];
    const tokens = batch * length;
    return [
      ndarray([2, batch, length], (i) => {
        const token = i % tokens;
        const row = z!.data.subarray(token * size, token * size + valid);
        if (i < tokens) return row.reduce((sum, logit) => sum + Math.exp(logit - most!.data[token]!), 0);
        const target = targets!.data[token]! - offset;
        return target >= 0 && target < valid ? row[target]! - most!.data[token]! : 0;
      }),
    ];
  },
};

const vocabStatsGradOp: Op<StatsAttrs> = {
  name: 'vocabStatsGrad',
  shape: ([, z]) => [float(z!.shape)],
  typing: { dims: '1 b s, b s v, b s, b s 1 -> b s v', linear: [0] },
  execution: {
    by: 'onnx',
    lower: (onnx, [dStats, z, targets, most], { offset, valid }, node) => {
      const [batch, length, size] = node.inputs[1]!.shape as [number, number, number];
      const column = [batch, length, 1];
      const dSum = onnx.reshape(onnx.slice(dStats!, 0, 0, 1), column);
      const dTarget = onnx.reshape(onnx.slice(dStats!, 0, 1, 2), column);
      const exp = onnx.add('Exp', [onnx.add('Sub', [withoutPadding(onnx, z!, size, valid), most!])]);
      const spread = onnx.add('Mul', [exp, dSum]);
      const { index, inside } = targetsHere(onnx, targets!, offset, valid, column);
      const update = onnx.add('Where', [inside, dTarget, onnx.scalar(0)]);
      return [onnx.add('ScatterElements', [spread, index, update], { axis: 2, reduction: 'add' })];
    },
  },
  reference: ([dStats, z, targets, most], { offset, valid }) => {
    const [batch, length, size] = z!.shape as [number, number, number];
    const tokens = batch * length;
    return [
      ndarray(z!.shape, (i) => {
        const token = Math.floor(i / size);
        const id = i % size;
        if (id >= valid) return 0;
        const isTarget = targets!.data[token]! - offset === id;
        return (
          dStats!.data[token]! * Math.exp(z!.data[i]! - most!.data[token]!) +
          (isTarget ? dStats!.data[tokens + token]! : 0)
        );
      }),
    ];
  },
};

function expectWeighted(stats: TensorShape, weights: TensorShape, scale: TensorShape): void {
  expectShape(stats.shape.length === 3 && stats.shape[0] === 2, `needs statistics [2, b, s], got [${stats.shape}]`);
  expectShape(
    sameShape(weights.shape, stats.shape.slice(1)) && elements(scale.shape) === 1,
    `needs weights [${stats.shape.slice(1)}] and a scale [1], got [${weights.shape}] and [${scale.shape}]`,
  );
}

/** Σ over tokens of weight · (log(stats[0]) - stats[1]), times the scale. Weights and scale are constants to the gradient. */
const tokenLossOp: Op = {
  name: 'tokenLoss',
  shape: ([stats, weights, scale]) => {
    expectWeighted(stats!, weights!, scale!);
    return [float([1])];
  },
  typing: { dims: '1 b s, b s, 1 -> 1' },
  vjp: ({ node, gradients: [g] }) => [apply(tokenLossGradOp, [g!, ...node.inputs], {})[0], undefined, undefined],
  execution: {
    by: 'onnx',
    lower: (onnx, [stats, weights, scale]) => {
      const loss = onnx.add('Sub', [onnx.add('Log', [onnx.slice(stats!, 0, 0, 1)]), onnx.slice(stats!, 0, 1, 2)]);
      const weighted = onnx.add('Mul', [onnx.reshape(loss, [-1]), onnx.reshape(weights!, [-1])]);
      return [onnx.add('Mul', [onnx.add('ReduceSum', [weighted, onnx.int64s(0)]), onnx.reshape(scale!, [1])])];
    },
  },
  reference: ([stats, weights, scale]) => {
    const tokens = weights!.data.length;
    const loss = (token: number) => Math.log(stats!.data[token]!) - stats!.data[tokens + token]!;
    return [
      ndarray([1], () => weights!.data.reduce((sum, weight, token) => sum + weight * loss(token), 0) * scale!.data[0]!),
    ];
  },
};

const tokenLossGradOp: Op = {
  name: 'tokenLossGrad',
  shape: ([, stats, weights, scale]) => {
    expectWeighted(stats!, weights!, scale!);
    return [float(stats!.shape)];
  },
  typing: { dims: '1, 1 b s, b s, 1 -> 1 b s', linear: [0] },
  execution: {
    by: 'onnx',
    lower: (onnx, [dLoss, stats, weights, scale], _, node) => {
      const shape = [1, ...node.inputs[2]!.shape];
      const amount = onnx.add('Mul', [onnx.reshape(dLoss!, [1, 1, 1]), onnx.reshape(scale!, [1, 1, 1])]);
      const each = onnx.add('Mul', [onnx.reshape(weights!, shape), amount]);
      const dSum = onnx.add('Div', [each, onnx.slice(stats!, 0, 0, 1)]);
      return [onnx.add('Concat', [dSum, onnx.add('Neg', [each])], { axis: 0 })];
    },
  },
  reference: ([dLoss, stats, weights, scale]) => {
    const tokens = weights!.data.length;
    const amount = (token: number) => dLoss!.data[0]! * weights!.data[token]! * scale!.data[0]!;
    return [ndarray(stats!.shape, (i) => (i < tokens ? amount(i) / stats!.data[i]! : -amount(i - tokens)))];
  },
};

/** logits [b, s, v] -> the largest of each token [b, s, 1]. */
export const vocabMax = (logits: Value, attrs: MaxAttrs): Value => apply(vocabMaxOp, [logits], attrs)[0]!;
/** logits [b, s, v], targets [b, s], maximum [b, s, 1] -> [2, b, s] (see {@link vocabStatsOp}). */
export const vocabStats = (logits: Value, targets: Value, most: Value, attrs: StatsAttrs): Value =>
  apply(vocabStatsOp, [logits, targets, most], attrs)[0]!;
/** Statistics [2, b, s], weights [b, s] and a scale [1] -> the scaled, weighted sum of the tokens' losses [1]. */
export const tokenLoss = (stats: Value, weights: Value, scale: Value): Value =>
  apply(tokenLossOp, [stats, weights, scale], {})[0]!;

export const lossOps = { vocabMaxOp, vocabStatsOp, vocabStatsGradOp, tokenLossOp, tokenLossGradOp };
