// Small operands for every op of the table: what the tests run each op on.

import { attentionOps } from '../src/ops/attention.ts';
import { lossOps } from '../src/ops/loss.ts';
import { normOps } from '../src/ops/norm.ts';
import type { NdArray, TensorShape } from '../src/program/program.ts';
import { elements, type Shape } from '../src/program/program.ts';

export type Operand = NdArray & TensorShape;

export interface Sample {
  readonly label: string;
  readonly inputs: readonly Operand[];
  readonly attrs: object;
}

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const next = randomNumbers(5);

/** Floats in (-size, size). */
const floats = (shape: Shape, size = 1.5): Operand => ({
  shape,
  dtype: 'float',
  data: Float64Array.from({ length: elements(shape) }, () => (2 * next() - 1) * size),
});
/** Integers in [from, to). */
const ints = (shape: Shape, from: number, to: number): Operand => ({
  shape,
  dtype: 'int',
  data: Float64Array.from({ length: elements(shape) }, () => from + Math.floor(next() * (to - from))),
});
const positive = (shape: Shape): Operand => ({
  shape,
  dtype: 'float',
  data: Float64Array.from({ length: elements(shape) }, () => 0.5 + 3 * next()),
});
const asOperand = (array: NdArray): Operand => ({ ...array, dtype: 'float' });

const sample = (label: string, inputs: readonly Operand[], attrs: object = {}): Sample => ({ label, inputs, attrs });

const cube: Shape = [2, 3, 4];
/** Every dim divides over two ranks: the test of the typing rule cuts these. */
const evenShape: Shape = [2, 4, 6];
const elementwise = (operands: number): Sample[] =>
  [[5], [3, 2], cube, [2, 3, 2, 4], evenShape].map((shape) =>
    sample(
      `[${shape}]`,
      Array.from({ length: operands }, () => floats(shape, 3)),
    ),
  );

// Attention runs in blocks of 128: below, at, just above, and several blocks with a rest; heads alone, grouped, all sharing one.
const attentionCases = (
  [
    { label: 'one token', batch: 2, length: 1, heads: 2, kvHeads: 1, headDim: 4 },
    { label: 'heads', batch: 2, length: 5, heads: 3, kvHeads: 3, headDim: 4 },
    { label: 'grouped heads', batch: 2, length: 7, heads: 4, kvHeads: 2, headDim: 6 },
    { label: 'even', batch: 2, length: 4, heads: 4, kvHeads: 2, headDim: 4 },
    { label: 'one key-value head', batch: 1, length: 6, heads: 4, kvHeads: 1, headDim: 2 },
    { label: 'window', batch: 2, length: 9, heads: 4, kvHeads: 2, headDim: 4, window: 3 },
    { label: 'window of one', batch: 1, length: 4, heads: 1, kvHeads: 1, headDim: 4, window: 1 },
    { label: 'window past the length', batch: 1, length: 6, heads: 2, kvHeads: 1, headDim: 4, window: 40 },
    { label: 'one whole block', batch: 1, length: 128, heads: 2, kvHeads: 1, headDim: 2 },
    { label: 'a block and a token', batch: 2, length: 129, heads: 2, kvHeads: 2, headDim: 2 },
    { label: 'blocks and a rest, grouped', batch: 1, length: 300, heads: 2, kvHeads: 1, headDim: 2 },
    { label: 'blocks, window below a block', batch: 1, length: 270, heads: 2, kvHeads: 1, headDim: 2, window: 20 },
    { label: 'blocks, window of a block', batch: 1, length: 257, heads: 1, kvHeads: 1, headDim: 2, window: 128 },
    { label: 'smaller blocks', batch: 4, length: 260, heads: 4, kvHeads: 2, headDim: 2 },
    { label: 'blocks, window over a block', batch: 1, length: 300, heads: 2, kvHeads: 2, headDim: 2, window: 150 },
  ] as const
).map(({ label, batch, length, heads, kvHeads, headDim, ...rest }) => ({
  label,
  operands: [
    floats([batch, length, heads, headDim]),
    floats([batch, length, kvHeads, headDim]),
    floats([batch, length, kvHeads, headDim]),
  ],
  attrs: { scale: 1 / Math.sqrt(headDim), ...('window' in rest ? { window: rest.window } : {}) },
}));

// Vocabularies: whole; padded; a middle shard that holds some of the targets; the last shard, padded; a shard of padding alone.
const vocabularyCases = [
  { label: 'whole', shape: [2, 3, 7], targets: [0, 7], offset: 0, valid: 7 },
  { label: 'padded', shape: [2, 3, 8], targets: [0, 5], offset: 0, valid: 5 },
  { label: 'even, padded', shape: [2, 4, 8], targets: [0, 6], offset: 0, valid: 6 },
  { label: 'middle shard', shape: [2, 6, 4], targets: [0, 12], offset: 4, valid: 4 },
  { label: 'last shard, padded', shape: [1, 8, 4], targets: [0, 11], offset: 8, valid: 3 },
  { label: 'padding alone', shape: [2, 3, 4], targets: [0, 8], offset: 8, valid: 0 },
] as const;

const vocabularySamples = vocabularyCases.map(({ label, shape, targets, offset, valid }) => {
  const logits = floats(shape, 4);
  const most = asOperand(lossOps.vocabMaxOp.reference!([logits], { valid })[0]!);
  // The maximum of all shards lies above this one's.
  const above = { ...most, data: most.data.map((value) => Math.max(value, -4) + 0.7 * next()) };
  return sample(label, [logits, ints(shape.slice(0, 2), targets[0], targets[1]), above], { offset, valid });
});

const normSamples: Shape[] = [[3, 5], cube, [2, 3, 2, 6], evenShape];
const rmsCases = normSamples.map((shape) =>
  sample(`[${shape}]`, [floats(shape, 3), floats(shape.slice(-1))], { epsilon: 1e-5 }),
);
const layerCases = normSamples.map((shape) =>
  sample(`[${shape}]`, [floats(shape, 3), floats(shape.slice(-1)), floats(shape.slice(-1))], { epsilon: 1e-5 }),
);

const frequencies = (headDim: number) => Array.from({ length: headDim / 2 }, (_, i) => 10 ** (-(2 * i) / headDim));
const embeddingCases = [
  { label: 'whole table', ids: ints([2, 5], 0, 6), table: floats([6, 3]), offset: 0 },
  { label: 'even', ids: ints([2, 4], 0, 8), table: floats([8, 6]), offset: 0 },
  { label: 'middle shard', ids: ints([2, 8], 0, 12), table: floats([4, 3]), offset: 4 },
  { label: 'shard that holds no token', ids: ints([1, 4], 0, 4), table: floats([4, 2]), offset: 4 },
];

const statistics = [cube, [1, 1, 1], [1, 2, 5], [1, 4, 6]].map((shape) => {
  const tokens = elements(shape.slice(1));
  const data = Float64Array.from([...positive([tokens]).data, ...floats([tokens]).data]);
  return { shape: [2, ...shape.slice(1)], dtype: 'float' as const, data };
});

/** By op name. Ops that only the transport runs have none: they are proved on simulated ranks. */
export const samples: Readonly<Record<string, readonly Sample[]>> = {
  swiglu: elementwise(2),
  swigluGrad: elementwise(3),
  gelu: elementwise(1),
  geluGrad: elementwise(2),
  attention: attentionCases.map(({ label, operands, attrs }) => sample(label, operands, attrs)),
  attentionGrad: attentionCases.map(({ label, operands, attrs }) => {
    const results = attentionOps.attentionOp.reference!(operands, attrs).map(asOperand);
    return sample(label, [floats(operands[0]!.shape), ...operands, ...results], attrs);
  }),
  ownSlice: [
    sample('first dim', [floats(cube)], { axis: 'tp', dim: 0, start: 1, size: 1 }),
    sample('middle dim', [floats([2, 6, 3])], { axis: 'tp', dim: 1, start: 2, size: 3 }),
    sample('last dim', [floats([2, 6])], { axis: 'dp', dim: 1, start: 4, size: 2 }),
  ],
  ownPad: [
    sample('first dim', [floats([1, 3, 4])], { axis: 'tp', dim: 0, start: 1, size: 3 }),
    sample('middle dim', [floats([2, 2, 3])], { axis: 'tp', dim: 1, start: 2, size: 6 }),
    sample('last dim', [floats([3, 2])], { axis: 'dp', dim: 1, start: 4, size: 6 }),
  ],
  add: [
    ...elementwise(2),
    sample('bias', [floats(cube), floats([4])]),
    sample('even bias', [floats(evenShape), floats([6])]),
    sample('even rows', [floats(evenShape), floats([4, 6])]),
    sample('rows alike in the batch', [floats(cube), floats([3, 4])]),
  ],
  multiply: elementwise(2),
  offset: [sample('even', [floats(evenShape)], { by: 1 }), sample('negative', [floats([7])], { by: -0.5 })],
  scale: [sample('even', [floats(evenShape)], { by: 0.5 }), sample('negative', [floats([7])], { by: -3 })],
  sumLeading: [
    sample('even to features', [floats(evenShape)], { keep: 1 }),
    sample('even to rows', [floats(evenShape)], { keep: 2 }),
    sample('to features', [floats(cube)], { keep: 1 }),
    sample('to rows', [floats(cube)], { keep: 2 }),
    sample('one leading dim', [floats([3, 4])], { keep: 1 }),
  ],
  accumulate: elementwise(2),
  embedding: embeddingCases.map(({ label, ids, table, offset }) => sample(label, [ids, table], { offset })),
  embeddingGrad: embeddingCases.map(({ label, ids, table, offset }) =>
    sample(label, [floats([...ids.shape, table.shape[1]!]), ids, table], { offset }),
  ),
  splitHeads: [
    sample('even', [floats([2, 4, 8])], { headDim: 4 }),
    sample('three heads', [floats([2, 3, 12])], { headDim: 4 }),
  ],
  mergeHeads: [sample('even', [floats([2, 4, 2, 4])]), sample('three heads', [floats([2, 3, 3, 4])])],
  rope: [
    sample('even', [floats([2, 4, 2, 4])], { frequencies: frequencies(4), inverse: false }),
    sample('forward', [floats([2, 5, 3, 6])], { frequencies: frequencies(6), inverse: false }),
    sample('back', [floats([2, 5, 3, 6])], { frequencies: frequencies(6), inverse: true }),
    sample('one pair', [floats([1, 4, 1, 2])], { frequencies: frequencies(2), inverse: false }),
  ],
  linear: [
    sample('even', [floats(evenShape), floats([4, 6])], { order: 'out,in' }),
    sample('even in,out', [floats(evenShape), floats([6, 4])], { order: 'in,out' }),
    sample('out,in', [floats([2, 3, 4]), floats([5, 4])], { order: 'out,in' }),
    sample('in,out', [floats([2, 3, 4]), floats([4, 5])], { order: 'in,out' }),
    sample('one row', [floats([1, 1, 6]), floats([3, 6])], { order: 'out,in' }),
    sample('one output', [floats([2, 2, 3]), floats([3, 1])], { order: 'in,out' }),
  ],
  outerSum: [
    sample('even', [floats(evenShape), floats([2, 4, 8])]),
    sample('narrow by wide', [floats([2, 3, 2]), floats([2, 3, 7])]),
    sample('one row', [floats([1, 1, 3]), floats([1, 1, 4])]),
    sample('long', [floats([3, 20, 4]), floats([3, 20, 4])]),
  ],
  vocabMax: vocabularySamples.map(({ label, inputs, attrs }) =>
    sample(label, inputs.slice(0, 1), { valid: (attrs as { valid: number }).valid }),
  ),
  vocabStats: vocabularySamples,
  vocabStatsGrad: vocabularySamples.map(({ label, inputs, attrs }) =>
    sample(label, [floats([2, ...inputs[1]!.shape]), ...inputs], attrs),
  ),
  tokenLoss: statistics.map((stats) => sample(`[${stats.shape}]`, [stats], { scale: 0.125 })),
  tokenLossGrad: statistics.map((stats) => sample(`[${stats.shape}]`, [floats([1]), stats], { scale: 0.125 })),
  rmsNorm: rmsCases,
  rmsNormGrad: rmsCases.map(({ label, inputs, attrs }) => {
    const [, inverse] = normOps.rmsNormOp.reference!(inputs, attrs as { epsilon: number });
    return sample(label, [floats(inputs[0]!.shape), ...inputs, asOperand(inverse!)]);
  }),
  layerNorm: layerCases,
  layerNormGrad: layerCases.map(({ label, inputs, attrs }) => {
    const [x, gain] = inputs as [Operand, Operand];
    const [, mean, inverse] = normOps.layerNormOp.reference!(inputs, attrs as { epsilon: number });
    return sample(label, [floats(x.shape), x, gain, asOperand(mean!), asOperand(inverse!)]);
  }),
  firstRows: [
    sample('even', [floats(evenShape)], { size: 1 }),
    sample('some', [floats([5, 3])], { size: 2 }),
    sample('all', [floats([4, 2])], { size: 4 }),
    sample('of three dims', [floats([3, 2, 2])], { size: 1 }),
  ],
  padRows: [
    sample('even', [floats(evenShape)], { size: 4 }),
    sample('some', [floats([2, 3])], { size: 5 }),
    sample('none', [floats([4, 2])], { size: 4 }),
    sample('of three dims', [floats([1, 2, 2])], { size: 3 }),
  ],
};
