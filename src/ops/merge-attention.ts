// Attention over two sets of keys merged into attention over both, by their log-sum-exps (Rabe and Staats, "Self-attention does not
// need O(n²) memory", 2021): what rings, keys held by several ranks, and prefill in chunks end with.

import type { OnnxBuilder } from '../program/onnx-builder.ts';
import type { Value } from '../program/program.ts';
import { expectShape, type NdArray, type Op, type TensorShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { scale } from './elementwise.ts';
import { float, lastDim, ndarray } from './shapes.ts';

/** An output of attention [.., headDim] and the log-sum-exp of its scores [.., 1]. */
export interface PartialAttention {
  readonly out: Value;
  readonly logSumExp: Value;
}

function expectPartials([a, lseA, b, lseB]: readonly TensorShape[]): void {
  const statistic = [...a!.shape.slice(0, -1), 1];
  expectShape(
    a!.shape.length === 5 &&
      `${b!.shape}` === `${a!.shape}` &&
      [lseA, lseB].every((x) => `${x!.shape}` === `${statistic}`),
    `outputs [${a!.shape}] and [${b!.shape}] with log-sum-exps [${lseA!.shape}] and [${lseB!.shape}] do not belong together; ` +
      'outputs are [b, kvHeads, s, group, headDim], log-sum-exps [b, kvHeads, s, group, 1]',
  );
}

const partial = 'b h s g d!, b h s g 1';

const mergeAttentionOp: Op = {
  name: 'mergeAttention',
  shape: (inputs) => {
    expectPartials(inputs);
    return [float(inputs[0]!.shape), float(inputs[1]!.shape)];
  },
  typing: { dims: `${partial}, ${partial} -> b h s g d, b h s g 1` },
  differentiable: [0, 1],
  vjp: ({ node, gradients: [g, logSumExp] }) => {
    const { inputs, outputs } = node;
    const last = logSumExp ? [logSumExp] : [];
    return apply(mergeAttentionGradOp, [g ?? scale(outputs[0]!, 0), ...inputs, ...outputs, ...last], {});
  },
  execution: {
    by: 'onnx',
    lower: (onnx, [a, lseA, b, lseB]) => mergePartials(onnx, [a!, lseA!], [b!, lseB!]),
  },
  reference: ([a, lseA, b, lseB]) => {
    const lse = ndarray(lseA!.shape, (i) => logAddExp(lseA!.data[i]!, lseB!.data[i]!));
    const share = (of: NdArray, row: number) => Math.exp(of.data[row]! - lse.data[row]!);
    const row = (i: number) => Math.floor(i / lastDim(a!.shape));
    const out = ndarray(a!.shape, (i) => a!.data[i]! * share(lseA!, row(i)) + b!.data[i]! * share(lseB!, row(i)));
    return [out, lse];
  },
};

type Partial = readonly [out: string, logSumExp: string];

/** Results may lie over one of the two: all that is read of it is read before. */
export function mergePartials(onnx: OnnxBuilder, [a, lseA]: Partial, [b, lseB]: Partial): string[] {
  const most = onnx.add('Max', [lseA, lseB]);
  const [ofA, ofB] = [exponential(onnx, lseA, most), exponential(onnx, lseB, most)];
  const sum = onnx.add('Add', [ofA, ofB]);
  const total = onnx.add('Add', [onnx.add('Mul', [a, ofA]), onnx.add('Mul', [b, ofB])]);
  return [onnx.add('Div', [total, sum]), onnx.add('Add', [most, onnx.add('Log', [sum])])];
}

function logAddExp(a: number, b: number): number {
  const most = Math.max(a, b);
  return most + Math.log(Math.exp(a - most) + Math.exp(b - most));
}

const exponential = (onnx: OnnxBuilder, x: string, less: string) => onnx.add('Exp', [onnx.add('Sub', [x, less])]);

/** Operands: the output's gradient, those of forward, its results, and if anything depends on it the log-sum-exp's gradient. */
const mergeAttentionGradOp: Op = {
  name: 'mergeAttentionGrad',
  shape: ([, ...inputs]) => {
    expectPartials(inputs);
    return inputs.slice(0, 4).map(({ shape }) => float(shape));
  },
  typing: (inputs) => {
    const isAlone = inputs.length < 8;
    const given = ['b h s g d!', partial, partial, partial, ...(isAlone ? [] : ['b h s g 1'])];
    const results = partial.replace('!', '');
    return { dims: `${given.join(', ')} -> ${results}, ${results}`, ...(isAlone ? { linear: [0] } : {}) };
  },
  execution: {
    by: 'onnx',
    lower: (onnx, [g, a, lseA, b, lseB, out, lse, logSumExp]) =>
      [
        [a!, lseA!],
        [b!, lseB!],
      ].flatMap(([own, ownLse]) => {
        const share = exponential(onnx, ownLse!, lse!);
        const apart = onnx.add('Mul', [g!, onnx.add('Sub', [own!, out!])]);
        const along = onnx.add('ReduceSum', [apart, onnx.int64s(-1)]);
        const sum = logSumExp ? onnx.add('Add', [along, logSumExp]) : along;
        return [onnx.add('Mul', [g!, share]), onnx.add('Mul', [sum, share])];
      }),
  },
  reference: ([g, a, lseA, b, lseB, out, lse, logSumExp]) =>
    [[a!, lseA!] as const, [b!, lseB!] as const].flatMap(([own, ownLse]) => {
      const width = lastDim(own.shape);
      const share = (row: number) => Math.exp(ownLse.data[row]! - lse!.data[row]!);
      const sums = ndarray(ownLse.shape, (row) => logSumExp?.data[row] ?? 0);
      for (const [i, value] of own.data.entries())
        sums.data[Math.floor(i / width)]! += g!.data[i]! * (value - out!.data[i]!);
      return [
        ndarray(own.shape, (i) => g!.data[i]! * share(Math.floor(i / width))),
        ndarray(ownLse.shape, (row) => sums.data[row]! * share(row)),
      ];
    }),
};

/** Attention of the same queries over the keys of both, which must be different ones. */
export function mergeAttention(a: PartialAttention, b: PartialAttention): PartialAttention {
  const [out, logSumExp] = apply(mergeAttentionOp, [a.out, a.logSumExp, b.out, b.logSumExp], {});
  return { out: out!, logSumExp: logSumExp! };
}

export const mergeAttentionOps = { mergeAttentionOp, mergeAttentionGradOp };
