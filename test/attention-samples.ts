// Small operands for attention, the merging of it, and their gradients.
import { attentionOps } from '../src/ops/attention.ts';
import { seesNothing } from '../src/ops/attention-blocks.ts';
import { asOperand, floats, next, type Operand, places, sample } from './operands.ts';

interface AttentionCase {
  readonly label: string;
  readonly batch: number;
  readonly queries: number;
  /** As many as queries, where they stand too, if not given. */
  readonly keys?: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
  /** Of values; as of keys if not given. */
  readonly valueDim?: number;
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
  { label: 'narrow values', batch: 2, queries: 7, kvHeads: 2, group: 2, headDim: 6, valueDim: 4 },
  { label: 'even, wide values', batch: 2, queries: 4, kvHeads: 2, group: 1, headDim: 2, valueDim: 6 },
  {
    label: 'narrow values in small blocks',
    batch: 1,
    queries: 11,
    kvHeads: 2,
    group: 2,
    headDim: 5,
    valueDim: 3,
    block: 3,
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

export const attentionSamples = attentionCases.map((each) => {
  const { label, batch, queries, keys = queries, kvHeads, group, headDim, valueDim = headDim, window, block } = each;
  const { position = (token: number) => token, document = () => 0 } = each;
  const ownKeys = keys === queries ? { position, document } : { position: (token: number) => token, document: () => 0 };
  const { keyPosition = ownKeys.position, keyDocument = ownKeys.document } = each;
  const attrs = { scale: 1 / Math.sqrt(headDim), ...(window ? { window } : {}), ...(block ? { block } : {}) };
  return sample(
    label,
    [
      floats([batch, kvHeads, queries, group, headDim]),
      floats([batch, kvHeads, keys, 1, headDim]),
      floats([batch, kvHeads, keys, 1, valueDim]),
      places(batch, queries, position),
      places(batch, queries, document),
      places(batch, keys, keyPosition),
      places(batch, keys, keyDocument),
    ],
    attrs,
  );
});

/** The gradient's operands. */
export const attentionGradSamples = attentionSamples.map(({ label, inputs, attrs }) => {
  const [sum, lse] = attentionOps.attentionOp.reference!(inputs, attrs as { scale: number }).map(asOperand);
  return sample(label, [...inputs, lse!, floats(sum!.shape), floats(lse!.shape)], attrs);
});

export const mergeSamples = [
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

/** A row's part of what was merged is at most one. */
export const shareSamples = mergeSamples.map(({ label, inputs }) => {
  const [x, own] = inputs as [Operand, Operand];
  return sample(label, [x, own, { ...own, data: own.data.map((value) => value + 2 * next()) }]);
});
