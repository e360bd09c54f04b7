// Small operands for every op of the table: what the tests run each op on.

import { attentionOps } from '../src/ops/attention.ts';
import { seesNothing } from '../src/ops/attention-blocks.ts';
import { lossOps } from '../src/ops/loss.ts';
import { mergeAttentionOps } from '../src/ops/merge-attention.ts';
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

/** Numbers of tokens of every row, [batch, tokens]. */
const places = (batch: number, tokens: number, at: (token: number, row: number) => number): Operand => ({
  shape: [batch, tokens],
  dtype: 'int',
  data: Float64Array.from({ length: batch * tokens }, (_, i) => at(i % tokens, Math.floor(i / tokens))),
});

interface AttentionCase {
  readonly label: string;
  readonly batch: number;
  readonly queries: number;
  /** As many as queries, where they stand too, if not given. */
  readonly keys?: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
  readonly window?: number;
  readonly block?: number;
  /** Of queries and keys; in order, and one document, if not given. */
  readonly position?: (token: number, row: number) => number;
  readonly document?: (token: number, row: number) => number;
  readonly keyPosition?: (token: number, row: number) => number;
  readonly keyDocument?: (token: number, row: number) => number;
}

const inTens = (token: number) => Math.floor(token / 10);
const mixed = (token: number) => (token * 7) % 23;

// Strips of 128 rows, tiles of 128 keys, parts of 1024: below, at, just above, and several of them with a rest.
const attentionCases: readonly AttentionCase[] = [
  { label: 'one token', batch: 2, queries: 1, kvHeads: 1, group: 2, headDim: 4 },
  { label: 'heads', batch: 2, queries: 5, kvHeads: 3, group: 1, headDim: 4 },
  { label: 'grouped heads', batch: 2, queries: 7, kvHeads: 2, group: 2, headDim: 6 },
  { label: 'even', batch: 2, queries: 4, kvHeads: 2, group: 2, headDim: 4 },
  {
    label: 'even, documents that differ by row',
    batch: 2,
    queries: 4,
    keys: 6,
    kvHeads: 2,
    group: 1,
    headDim: 2,
    position: (token, row) => token + 2 * row,
    document: (token, row) => (token < 2 + row ? 4 : 5),
    keyDocument: (token) => (token < 3 ? 4 : 5),
  },
  { label: 'one key-value head', batch: 1, queries: 6, kvHeads: 1, group: 4, headDim: 2 },
  { label: 'window', batch: 2, queries: 9, kvHeads: 2, group: 2, headDim: 4, window: 3 },
  { label: 'window of one', batch: 1, queries: 4, kvHeads: 1, group: 1, headDim: 4, window: 1 },
  { label: 'window past the length', batch: 1, queries: 6, kvHeads: 1, group: 2, headDim: 4, window: 40 },
  { label: 'one whole block', batch: 1, queries: 128, kvHeads: 2, group: 1, headDim: 2 },
  { label: 'a block and a token', batch: 2, queries: 129, kvHeads: 2, group: 1, headDim: 2 },
  { label: 'blocks and a rest, grouped', batch: 1, queries: 300, kvHeads: 1, group: 2, headDim: 2 },
  { label: 'blocks, window below a block', batch: 1, queries: 270, kvHeads: 1, group: 2, headDim: 2, window: 20 },
  { label: 'blocks, window over a block', batch: 1, queries: 300, kvHeads: 2, group: 1, headDim: 2, window: 150 },
  {
    label: 'more keys than a part',
    batch: 1,
    queries: 3,
    keys: 1300,
    kvHeads: 1,
    group: 2,
    headDim: 2,
    position: (i) => 1200 + i,
  },
  { label: 'small blocks', batch: 2, queries: 11, kvHeads: 2, group: 2, headDim: 4, block: 3 },
  { label: 'small blocks, window', batch: 1, queries: 13, kvHeads: 1, group: 1, headDim: 2, block: 2, window: 5 },
  {
    label: 'a chunk of queries after keys before them',
    batch: 2,
    queries: 5,
    keys: 12,
    kvHeads: 2,
    group: 2,
    headDim: 4,
    block: 4,
    position: (token) => 7 + token,
  },
  {
    label: 'documents',
    batch: 1,
    queries: 37,
    kvHeads: 1,
    group: 2,
    headDim: 4,
    block: 8,
    position: (i) => i % 10,
    document: inTens,
  },
  {
    label: 'documents in whole blocks',
    batch: 1,
    queries: 300,
    kvHeads: 1,
    group: 1,
    headDim: 2,
    position: (i) => i % 10,
    document: inTens,
  },
  {
    label: 'documents and a window, rows that differ',
    batch: 2,
    queries: 24,
    kvHeads: 2,
    group: 1,
    headDim: 4,
    window: 3,
    block: 5,
    position: (token, row) => token % (7 + row),
    document: (token, row) => Math.floor(token / (7 + row)),
  },
  {
    label: 'positions out of order',
    batch: 1,
    queries: 23,
    kvHeads: 2,
    group: 2,
    headDim: 4,
    block: 4,
    position: mixed,
  },
  {
    label: 'positions out of order, keys in others',
    batch: 1,
    queries: 9,
    keys: 23,
    kvHeads: 1,
    group: 2,
    headDim: 4,
    block: 4,
    window: 9,
    position: (token) => (token * 5) % 23,
    keyPosition: mixed,
  },
  {
    label: 'queries that see nothing',
    batch: 2,
    queries: 8,
    keys: 9,
    kvHeads: 2,
    group: 2,
    headDim: 4,
    block: 3,
    position: (token) => token - 4,
    document: (token, row) => (row === 1 && token > 5 ? 8 : 0),
  },
  {
    label: 'keys that nobody sees',
    batch: 1,
    queries: 3,
    keys: 9,
    kvHeads: 1,
    group: 1,
    headDim: 2,
    keyPosition: (token) => token - 2,
  },
  { label: 'nothing to see', batch: 1, queries: 3, keys: 4, kvHeads: 1, group: 2, headDim: 2, keyDocument: () => 1 },
];

const attentionSamples = attentionCases.map((each) => {
  const { label, batch, queries, keys = queries, kvHeads, group, headDim, window, block } = each;
  const { position = (token: number) => token, document = () => 0 } = each;
  const ownKeys = keys === queries ? { position, document } : { position: (token: number) => token, document: () => 0 };
  const { keyPosition = ownKeys.position, keyDocument = ownKeys.document } = each;
  const attrs = { scale: 1 / Math.sqrt(headDim), ...(window ? { window } : {}), ...(block ? { block } : {}) };
  return sample(
    label,
    [
      floats([batch, kvHeads, queries, group, headDim]),
      floats([batch, kvHeads, keys, 1, headDim]),
      floats([batch, kvHeads, keys, 1, headDim]),
      places(batch, queries, position),
      places(batch, queries, document),
      places(batch, keys, keyPosition),
      places(batch, keys, keyDocument),
    ],
    attrs,
  );
});

/** The gradient's operands, without and with a gradient of the log-sum-exp. */
const attentionGradSamples = attentionSamples.flatMap(({ label, inputs, attrs }) => {
  const [out, lse] = attentionOps.attentionOp.reference!(inputs, attrs as { scale: number }).map(asOperand);
  const operands = [floats(out!.shape), ...inputs, out!, lse!];
  return [
    sample(label, operands, attrs),
    sample(`${label}, with log-sum-exp`, [...operands, floats(lse!.shape)], attrs),
  ];
});

const mergeSamples = [
  { label: 'even', shape: [2, 2, 4, 2, 4] },
  { label: 'one token', shape: [1, 1, 1, 1, 2] },
  { label: 'some see nothing', shape: [2, 1, 3, 2, 4], nothing: true },
].map(({ label, shape, nothing = false }) => {
  const lse = (at: number): Operand => {
    const given = floats([...shape.slice(0, -1), 1], 4);
    return { ...given, data: given.data.map((value, i) => (nothing && i % 4 === at ? seesNothing : value)) };
  };
  return sample(label, [floats(shape), lse(1), floats(shape), lse(3)]);
});

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
/** At positions in any order, the last one the tables have among them. */
const ropeSample = (label: string, shape: Shape, { inverse }: { readonly inverse: boolean }): Sample => {
  const maxPositions = 9;
  const positions = places(shape[0]!, shape[1]!, (token, row) => (token * 5 + row + 8) % maxPositions);
  return sample(label, [floats(shape), positions], { frequencies: frequencies(shape[3]!), maxPositions, inverse });
};
const embeddingCases = [
  { label: 'whole table', ids: ints([2, 5], 0, 6), table: floats([6, 3]), offset: 0 },
  { label: 'even', ids: ints([2, 4], 0, 8), table: floats([8, 6]), offset: 0 },
  { label: 'middle shard', ids: ints([2, 8], 0, 12), table: floats([4, 3]), offset: 4 },
  { label: 'shard that holds no token', ids: ints([1, 4], 0, 4), table: floats([4, 2]), offset: 4 },
];

const statistics = [cube, [1, 1, 1], [1, 2, 5], [1, 4, 6]].map((shape) => {
  const tokens = elements(shape.slice(1));
  const data = Float64Array.from([...positive([tokens]).data, ...floats([tokens]).data]);
  const stats: Operand = { shape: [2, ...shape.slice(1)], dtype: 'float', data };
  return [stats, positive(shape.slice(1)), positive([1])];
});

const doubles = (...data: number[]): Operand => ({
  shape: [data.length],
  dtype: 'double',
  data: Float64Array.from(data),
});
/** Learning rate, both betas, epsilon, weight decay, clip norm, both bias corrections. */
const optimizers = {
  clipping: [0.1, 0.9, 0.95, 1e-3, 0.2, 1, 0.1, 0.05],
  free: [0.1, 0.8, 0.9, 1e-2, 0.1, 0, 0.36, 0.19],
};
const adamwSample = (label: string, size: number, optimizer: keyof typeof optimizers, decayed: number[][]): Sample =>
  sample(
    label,
    [floats([size]), floats([size]), floats([size]), positive([size]), doubles(9), doubles(...optimizers[optimizer])],
    { decayed },
  );

/** By op name. Ops that only the transport runs have none: they are proved on simulated ranks. */
export const samples: Readonly<Record<string, readonly Sample[]>> = {
  swiglu: elementwise(2),
  swigluGrad: elementwise(3),
  gelu: elementwise(1),
  geluGrad: elementwise(2),
  attention: attentionSamples,
  attentionGrad: attentionGradSamples,
  mergeAttention: mergeSamples,
  mergeAttentionGrad: mergeSamples.flatMap(({ label, inputs, attrs }) => {
    const [out, lse] = mergeAttentionOps.mergeAttentionOp.reference!(inputs, attrs).map(asOperand);
    const operands = [floats(out!.shape), ...inputs, out!, lse!];
    return [sample(label, operands), sample(`${label}, with log-sum-exp`, [...operands, floats(lse!.shape)])];
  }),
  headsFirst: [
    sample('even', [floats([2, 4, 4, 2])], { group: 2 }),
    sample('alone', [floats([2, 3, 3, 2])], { group: 1 }),
    sample('all in one group', [floats([1, 5, 3, 2])], { group: 3 }),
  ],
  headsLast: [
    sample('even', [floats([2, 2, 4, 2, 2])]),
    sample('alone', [floats([2, 3, 4, 1, 2])]),
    sample('all in one group', [floats([1, 1, 4, 3, 2])]),
  ],
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
    ropeSample('even', [2, 4, 2, 4], { inverse: false }),
    ropeSample('forward', [2, 5, 3, 6], { inverse: false }),
    ropeSample('back', [2, 5, 3, 6], { inverse: true }),
    ropeSample('one pair', [1, 4, 1, 2], { inverse: false }),
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
  tokenLoss: statistics.map(([stats, ...weighed]) => sample(`[${stats!.shape}]`, [stats!, ...weighed])),
  tokenLossGrad: statistics.map((operands) => sample(`[${operands[0]!.shape}]`, [floats([1]), ...operands])),
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
  sumSquares: [sample('even', [floats([8])]), sample('long', [floats([300])])],
  onFirst: [
    sample('the first', [doubles(3)], { axes: ['dp'], counts: true }),
    sample('another', [doubles(3)], { axes: ['dp'], counts: false }),
  ],
  total: [sample('even, one', [doubles(2)]), sample('even, three', [doubles(2), doubles(-7), doubles(0.5)])],
  reciprocal: [sample('even', [doubles(2, 3, 0.25, 0)]), sample('of nothing', [doubles(0)])],
  adamw: [
    adamwSample('even, some decay', 8, 'clipping', [[2, 6]]),
    adamwSample('even, none decay', 8, 'free', []),
    adamwSample('several ranges decay', 40, 'clipping', [
      [0, 7],
      [9, 10],
      [33, 40],
    ]),
  ],
};
