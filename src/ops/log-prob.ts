// Log-probabilities of the target tokens, out of the same statistics of the logits as the loss, and their sums by document.
//
//   stats [2, b, s] ── tokenLogProb ──► [b, s] ── sumByDocument ──► [b, pairs, 2]   documents 2k and 2k + 1 are pair k
import type { Value } from '../program/program.ts';
import { expectShape, type NdArray, type Numbers, type Op, type TensorShape } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { float, ndarray, sameShape } from './shapes.ts';

const expectStats = (stats: TensorShape): void =>
  expectShape(stats.shape.length === 3 && stats.shape[0] === 2, `needs statistics [2, b, s], got [${stats.shape}]`);

/** stats[1] - log(stats[0]): see vocabStats. */
const tokenLogProbOp: Op = {
  name: 'tokenLogProb',
  shape: ([stats]) => {
    expectStats(stats!);
    return [float(stats!.shape.slice(1))];
  },
  typing: { dims: '1 b s -> b s' },
  vjp: ({ node, gradients: [g] }) => [apply(tokenLogProbGradOp, [g!, ...node.inputs], {})[0]],
  execution: {
    by: 'onnx',
    lower: (onnx, [stats], _, node) => {
      const sum = onnx.add('Log', [onnx.slice(stats!, 0, 0, 1)]);
      return [onnx.reshape(onnx.add('Sub', [onnx.slice(stats!, 0, 1, 2), sum]), node.outputs[0]!.shape)];
    },
  },
  reference: ([stats]) => {
    const shape = stats!.shape.slice(1);
    const tokens = stats!.data.length / 2;
    return [ndarray(shape, (token) => stats!.data[tokens + token]! - Math.log(stats!.data[token]!))];
  },
};

const tokenLogProbGradOp: Op = {
  name: 'tokenLogProbGrad',
  shape: ([g, stats]) => {
    expectStats(stats!);
    expectShape(
      sameShape(g!.shape, stats!.shape.slice(1)),
      `needs gradients [${stats!.shape.slice(1)}], got [${g!.shape}]`,
    );
    return [float(stats!.shape)];
  },
  typing: { dims: 'b s, 1 b s -> 1 b s', linear: [0] },
  execution: {
    by: 'onnx',
    lower: (onnx, [g, stats], _, node) => {
      const each = onnx.reshape(g!, [1, ...node.inputs[0]!.shape]);
      const dSum = onnx.add('Neg', [onnx.add('Div', [each, onnx.slice(stats!, 0, 0, 1)])]);
      return [onnx.add('Concat', [dSum, each], { axis: 0 })];
    },
  },
  reference: ([g, stats]) => {
    const tokens = g!.data.length;
    return [ndarray(stats!.shape, (i) => (i < tokens ? -g!.data[i]! / stats!.data[i]! : g!.data[i - tokens]!))];
  },
};

interface PairsAttrs {
  /** Pairs of documents that a sequence has room for. */
  readonly pairs: number;
}

function expectTokens(documents: TensorShape, weights: TensorShape): void {
  expectShape(
    documents.shape.length === 2 && documents.dtype === 'int' && sameShape(weights.shape, documents.shape),
    `needs int documents and weights of the same [b, s], got ${documents.dtype} [${documents.shape}] and [${weights.shape}]`,
  );
}

/** Calls `each` with every token that counts and its document's place among all; documents past the pairs are padding. */
function forEachCounted(
  documents: Numbers,
  weights: Numbers,
  [batch, places]: readonly [number, number],
  each: (token: number, place: number) => void,
): void {
  const length = documents.length / batch;
  for (let token = 0; token < documents.length; token++) {
    const document = documents[token]!;
    if (document < places && weights[token] !== 0) each(token, Math.floor(token / length) * places + document);
  }
}

/** Σ weight · x over the tokens of each document. */
const sumByDocumentOp: Op<PairsAttrs> = {
  name: 'sumByDocument',
  shape: ([x, documents, weights], { pairs }) => {
    expectTokens(documents!, weights!);
    expectShape(sameShape(x!.shape, documents!.shape), `needs numbers [${documents!.shape}], got [${x!.shape}]`);
    return [float([x!.shape[0]!, pairs, 2])];
  },
  typing: { dims: 'b s, b s, b s -> b 1 1', linear: [0] },
  vjp: ({ node, gradients: [g] }) => [
    apply(takeByDocumentOp, [g!, node.inputs[1]!, node.inputs[2]!], {})[0],
    undefined,
    undefined,
  ],
  execution: {
    by: 'host',
    run: ([x, documents, weights], [out], { pairs }, { inputs }) => {
      // Thousands of terms: in doubles, whatever the precision.
      const sums = new Float64Array(out!.length);
      forEachCounted(documents!, weights!, [inputs[0]!.shape[0]!, 2 * pairs], (token, place) => {
        sums[place]! += weights![token]! * x![token]!;
      });
      out!.set(sums);
    },
  },
  reference: ([x, documents, weights], { pairs }) => {
    const [batch, length] = x!.shape as [number, number];
    const inDocument = (row: number, document: number): number[] =>
      Array.from({ length }, (_, i) => row * length + i).filter((token) => documents!.data[token] === document);
    return [
      ndarray([batch, pairs, 2], (i) =>
        inDocument(Math.floor(i / (2 * pairs)), i % (2 * pairs)).reduce(
          (sum, token) => sum + weights!.data[token]! * x!.data[token]!,
          0,
        ),
      ),
    ];
  },
};

/** weight · the number of the token's document; 0 in the padding. */
const takeByDocumentOp: Op = {
  name: 'takeByDocument',
  shape: ([sums, documents, weights]) => {
    expectTokens(documents!, weights!);
    expectShape(
      sums!.shape.length === 3 && sums!.shape[0] === documents!.shape[0] && sums!.shape[2] === 2,
      `needs numbers [${documents!.shape[0]}, pairs, 2], got [${sums!.shape}]`,
    );
    return [float(documents!.shape)];
  },
  typing: { dims: 'b 1 1, b s, b s -> b s', linear: [0] },
  execution: {
    by: 'host',
    run: ([sums, documents, weights], [out], _, { inputs }) => {
      const [batch, pairs] = inputs[0]!.shape as [number, number];
      out!.fill(0);
      forEachCounted(documents!, weights!, [batch, 2 * pairs], (token, place) => {
        out![token] = weights![token]! * sums![place]!;
      });
    },
  },
  reference: ([sums, documents, weights]) => [takeReference(sums!, documents!, weights!)],
};

function takeReference(sums: NdArray, documents: NdArray, weights: NdArray): NdArray {
  const [batch, pairs] = sums.shape as [number, number];
  const length = documents.data.length / batch;
  return ndarray(documents.shape, (token) => {
    const document = documents.data[token]!;
    const row = Math.floor(token / length);
    return document < 2 * pairs ? weights.data[token]! * sums.data[row * 2 * pairs + document]! : 0;
  });
}

/** Statistics [2, b, s] -> the log-probability of each target [b, s], in nats. */
export const tokenLogProb = (stats: Value): Value => apply(tokenLogProbOp, [stats], {})[0]!;
/**
 * Numbers of tokens, documents and weights [b, s] -> the weighted sums of documents 0 to 2 · pairs - 1 [b, pairs, 2]. Partial where
 * a sequence's tokens are on several ranks.
 */
export const sumByDocument = (x: Value, documents: Value, weights: Value, attrs: PairsAttrs): Value =>
  apply(sumByDocumentOp, [x, documents, weights], attrs)[0]!;

export const logProbOps = { tokenLogProbOp, tokenLogProbGradOp, sumByDocumentOp, takeByDocumentOp };
