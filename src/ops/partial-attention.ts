// Attention over a part of the keys, and how parts become one: `mergeAttention` joins two, `finishAttention` ends with the output.
//
// A part is N = Σ exp(score) · v and Z = Σ exp(score) over its keys, held as N / Z and log Z, which do not overflow. Going back, the
// gradient of the first is that of N at the scale at which it was held, and the gradient of the second that of log Z while N stays:
//
//   finish   out = N / Z              dN = dOut            d log Z = - Σ dOut · out
//   merge    N = Na + Nb, Z = Za + Zb   dNa = dN · Za / Z    d log Za = d log Z · Za / Z
//
// so that nothing of a part is read again: neither merging nor a part's own gradient needs its output, and a ring of ranks saves none.
// With one part this is the gradient of FlashAttention-2 (Dao, 2023), whose row sums dOut · out are those of finishing.
import type { OnnxBuilder } from '../program/onnx-builder.ts';
import { expectShape, type Op, type TensorShape, type Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { scale } from './elementwise.ts';
import { rowProduct } from './rows.ts';
import { float, lastDim, ndarray } from './shapes.ts';

/** Σ exp(score) · v [.., headDim] over some keys, divided by Σ exp(score), whose logarithm [.., 1] is beside it. */
export interface PartialAttention {
  readonly sum: Value;
  readonly logSumExp: Value;
}

const rows = 'b h s g d!';
const numbers = 'b h s g 1';

const isPartial = ([sum, lse]: readonly [TensorShape, TensorShape]): boolean =>
  sum.shape.length === 5 && `${lse.shape}` === `${[...sum.shape.slice(0, -1), 1]}`;

const mergeAttentionOp: Op = {
  name: 'mergeAttention',
  shape: ([a, lseA, b, lseB]) => {
    expectShape(
      isPartial([a!, lseA!]) && isPartial([b!, lseB!]) && `${a!.shape}` === `${b!.shape}`,
      `sums [${a!.shape}] and [${b!.shape}] with log-sum-exps [${lseA!.shape}] and [${lseB!.shape}] do not belong together; ` +
        'sums are [b, kvHeads, s, group, headDim], log-sum-exps [b, kvHeads, s, group, 1]',
    );
    return [float(a!.shape), float(lseA!.shape)];
  },
  typing: { dims: `${rows}, ${numbers}, ${rows}, ${numbers} -> b h s g d, ${numbers}` },
  differentiable: [0, 1],
  vjp: ({ node, gradients }) => {
    const [, lseA, , lseB] = node.inputs as [Value, Value, Value, Value];
    const merged = node.outputs[1]!;
    return [lseA, lseB].flatMap((own) => gradients.map((gradient) => gradient && shareOf(gradient, own, merged)));
  },
  execution: {
    by: 'onnx',
    lower: (onnx, [a, lseA, b, lseB]) => mergePartials(onnx, [a!, lseA!], [b!, lseB!]),
  },
  reference: ([a, lseA, b, lseB]) => {
    const lse = ndarray(lseA!.shape, (i) => logAddExp(lseA!.data[i]!, lseB!.data[i]!));
    const width = lastDim(a!.shape);
    const out = ndarray(a!.shape, (i) => {
      const row = Math.floor(i / width);
      const share = (of: Float64Array) => Math.exp(of[row]! - lse.data[row]!);
      return a!.data[i]! * share(lseA!.data) + b!.data[i]! * share(lseB!.data);
    });
    return [out, lse];
  },
};

type Partial = readonly [sum: string, logSumExp: string];

/** Results may lie over one of the two: all that is read of it is read before. */
export function mergePartials(onnx: OnnxBuilder, [a, lseA]: Partial, [b, lseB]: Partial): string[] {
  const most = onnx.add('Max', [lseA, lseB]);
  const [ofA, ofB] = [exponential(onnx, lseA, most), exponential(onnx, lseB, most)];
  const sum = onnx.add('Add', [ofA, ofB]);
  const total = onnx.add('Add', [onnx.add('Mul', [a, ofA]), onnx.add('Mul', [b, ofB])]);
  return [onnx.add('Div', [total, sum]), onnx.add('Add', [most, onnx.add('Log', [sum])])];
}

export function logAddExp(a: number, b: number): number {
  const most = Math.max(a, b);
  return most + Math.log(Math.exp(a - most) + Math.exp(b - most));
}

const exponential = (onnx: OnnxBuilder, x: string, less: string) => onnx.add('Exp', [onnx.add('Sub', [x, less])]);

/** x [.., d] times exp(own - merged), numbers [.., 1] of its rows: what a part has of the whole. */
const shareOfOp: Op = {
  name: 'shareOfMerged',
  shape: ([x]) => [float(x!.shape)],
  typing: { dims: `b h s g d, ${numbers}, ${numbers} -> b h s g d`, linear: [0] },
  execution: {
    by: 'onnx',
    lower: (onnx, [x, own, merged]) => [onnx.add('Mul', [x!, exponential(onnx, own!, merged!)])],
  },
  reference: ([x, own, merged]) => {
    const width = lastDim(x!.shape);
    return [
      ndarray(x!.shape, (i) => {
        const row = Math.floor(i / width);
        return x!.data[i]! * Math.exp(own!.data[row]! - merged!.data[row]!);
      }),
    ];
  },
};

const shareOf = (x: Value, own: Value, merged: Value): Value => apply(shareOfOp, [x, own, merged], {})[0]!;

/** The partial sums are the output in memory already, but not for gradients. */
const finishAttentionOp: Op = {
  name: 'finishAttention',
  shape: ([sum, lse]) => {
    expectShape(
      isPartial([sum!, lse!]),
      `sums [${sum!.shape}] and log-sum-exps [${lse!.shape}] do not belong together; ` +
        'sums are [b, kvHeads, s, group, headDim], log-sum-exps [b, kvHeads, s, group, 1]',
    );
    return [float(sum!.shape)];
  },
  typing: { dims: `${rows}, ${numbers} -> b h s g d` },
  vjp: ({ node, gradients: [g] }) => [g, scale(rowProduct(g!, node.outputs[0]!), -1)],
  execution: { by: 'nobody' },
  reference: ([sum]) => [sum!],
};

/** Attention of the same queries over the keys of both, which must be different ones. */
export function mergeAttention(a: PartialAttention, b: PartialAttention): PartialAttention {
  const [sum, logSumExp] = apply(mergeAttentionOp, [a.sum, a.logSumExp, b.sum, b.logSumExp], {});
  return { sum: sum!, logSumExp: logSumExp! };
}

/** The output [b, kvHeads, s, group, headDim] of attention over all keys that were merged. */
export const finishAttention = ({ sum, logSumExp }: PartialAttention): Value =>
  apply(finishAttentionOp, [sum, logSumExp], {})[0]!;

export const partialAttentionOps = { mergeAttentionOp, shareOfOp, finishAttentionOp };
