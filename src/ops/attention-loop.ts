// Plays attention block by block on this rank's memory: for every strip of queries the parts of the keys it sees, all heads of each.
import type { BlockLoop, Numbers, View } from '../program/program.ts';
import {
  cutIntoBlocks,
  hidden,
  length,
  mostKeysOfPart,
  type Part,
  type Places,
  queriesOfStrip,
  type Range,
  type Strip,
  seesNothing,
} from './attention-blocks.ts';
import {
  backwardKernel,
  backwardMask,
  forwardKernel,
  forwardMask,
  type KernelSettings,
  type MaskValues,
} from './attention-kernels.ts';
import { type AttentionAttrs, type AttentionSize, sizeOf } from './attention-size.ts';

type Loop = BlockLoop<AttentionAttrs>;

/** Of a strip's rows and a part of the keys. */
const largest: Loop['largest'] = (attrs, { inputs }) => {
  const { group, queries, keys } = sizeOf(inputs[0]!, inputs[1]!);
  const rows = Math.min(queriesOfStrip({ ...attrs, group }), queries) * group;
  return { rows, keys: Math.min(mostKeysOfPart(attrs), keys) };
};

const blockSizes: Pick<Loop, 'scratchElements' | 'largest'> = {
  largest,
  scratchElements(attrs, node) {
    const { rows, keys } = largest(attrs, node);
    return rows! * keys!;
  },
};

/** Operands: q, k, v, positions and documents of the queries, then of the keys. Results: output, log-sum-exp. */
export const forwardLoop: Loop = {
  kernels: ({ scale }, { inputs: [q, k, v] }) => {
    const settings: KernelSettings = { ...sizeOf(q!, k!, v), scale };
    return {
      whole: forwardKernel(settings, false, false),
      masked: forwardKernel(settings, true, false),
      'more whole': forwardKernel(settings, false, true),
      'more masked': forwardKernel(settings, true, true),
    };
  },
  play: ({ inputs, outputs, scratch }, run, attrs, node) => {
    const [q, k, v, ...places] = inputs as [Numbers, Numbers, Numbers, ...Numbers[]];
    const [out, lse] = outputs as [Numbers, Numbers];
    const size = sizeOf(node.inputs[0]!, node.inputs[1]!, node.inputs[2]);
    const { rows, sums, column, keys, values } = viewsOf(size);
    eachStrip(size, attrs, places, (strip, at) => {
      const state = at.heads.map((head) => [sums(out, head, strip.queries), column(lse, head, strip.queries)] as const);
      if (strip.parts.length === 0) for (const [, sum] of state) fill(sum, hidden);
      for (const [index, part] of strip.parts.entries()) {
        const mask = maskOf(strip, part, at, { size, attrs, scratch, values: forwardMask, isTransposed: false });
        const kernel = `${index === 0 ? '' : 'more '}${mask.length > 0 ? 'masked' : 'whole'}`;
        for (const [place, head] of at.heads.entries()) {
          const own = state[place]!;
          const operands = [rows(q, head, strip.queries), keys(k, head, part.keys), values(v, head, part.keys)];
          run(kernel, [...operands, ...(index === 0 ? [] : own), ...mask], own);
        }
      }
      for (const [output, sum] of state)
        if (strip.parts.every(({ masked }) => masked.length > 0)) clearUnseen(output, sum);
    });
  },
  ...blockSizes,
};

/** Operands: those of forward, its log-sum-exp, the gradients of its results. Results: the gradients of q, k and v. */
export const backwardLoop: Loop = {
  kernels: ({ scale }, { inputs: [q, k, v] }) => {
    const settings: KernelSettings = { ...sizeOf(q!, k!, v), scale };
    return {
      whole: backwardKernel(settings, false, false),
      masked: backwardKernel(settings, true, false),
      'more whole': backwardKernel(settings, false, true),
      'more masked': backwardKernel(settings, true, true),
    };
  },
  play: ({ inputs, outputs, scratch }, run, attrs, node) => {
    const [q, k, v, ...rest] = inputs as [Numbers, Numbers, Numbers, ...Numbers[]];
    const [lse, dSum, dLse] = rest.slice(4) as [Numbers, Numbers, Numbers];
    const [dq, dk, dv] = outputs as [Numbers, Numbers, Numbers];
    const size = sizeOf(node.inputs[0]!, node.inputs[1]!, node.inputs[2]);
    const { rows, sums, column, keys, values } = viewsOf(size);
    for (const gradient of [dk, dv]) gradient.fill(0);
    eachStrip(size, attrs, rest.slice(0, 4), (strip, at) => {
      if (strip.parts.length === 0) for (const head of at.heads) fill(rows(dq, head, strip.queries), 0);
      for (const [index, part] of strip.parts.entries()) {
        const mask = maskOf(strip, part, at, { size, attrs, scratch, values: backwardMask, isTransposed: true });
        const kernel = `${index === 0 ? '' : 'more '}${mask.length > 0 ? 'masked' : 'whole'}`;
        for (const head of at.heads) {
          const row = (of: Numbers) => rows(of, head, strip.queries);
          const key = (of: Numbers) => keys(of, head, part.keys);
          const value = (of: Numbers) => values(of, head, part.keys);
          const numbers = (of: Numbers) => asRow(column(of, head, strip.queries));
          const found = [row(dq), key(dk), value(dv)];
          const ofSum = sums(dSum, head, strip.queries);
          const operands = [row(q), key(k), value(v), numbers(lse), ofSum, numbers(dLse)];
          run(kernel, [...operands, ...(index === 0 ? found.slice(1) : found), ...mask], found);
        }
      }
    });
  },
  ...blockSizes,
};

/** One row of the batch: where its tokens stand, and its heads, counted over all rows. */
interface BatchRow {
  readonly queries: Places;
  readonly keys: Places;
  readonly heads: readonly number[];
}

function eachStrip(
  { batch, kvHeads, queries, keys, group }: AttentionSize,
  attrs: AttentionAttrs,
  places: readonly Numbers[],
  visit: (strip: Strip, row: BatchRow) => void,
): void {
  for (let row = 0; row < batch; row++) {
    const of = (which: number, tokens: number) => places[which]!.subarray(row * tokens, (row + 1) * tokens);
    const at: BatchRow = {
      queries: { positions: of(0, queries), documents: of(1, queries) },
      keys: { positions: of(2, keys), documents: of(3, keys) },
      heads: Array.from({ length: kvHeads }, (_, head) => row * kvHeads + head),
    };
    for (const strip of cutIntoBlocks(at.queries, at.keys, { ...attrs, group })) visit(strip, at);
  }
}

/** Parts of [b, kvHeads, tokens, group or 1, ..] as matrices; heads are counted over all rows of the batch. */
function viewsOf({ queries, keys, group, headDim, valueDim }: AttentionSize) {
  const view = (of: Numbers, first: number, count: number, width: number): View => ({
    of,
    offset: first * width,
    shape: [count, width],
  });
  const ofQueries = (width: number) => (of: Numbers, head: number, range: Range) =>
    view(of, (head * queries + range[0]) * group, group * length(range), width);
  const ofKeys = (width: number) => (of: Numbers, head: number, range: Range) =>
    view(of, head * keys + range[0], length(range), width);
  return {
    /** [group · queries, headDim] */
    rows: ofQueries(headDim),
    /** [group · queries, valueDim] */
    sums: ofQueries(valueDim),
    /** [group · queries, 1] */
    column: ofQueries(1),
    /** [keys, headDim] */
    keys: ofKeys(headDim),
    /** [keys, valueDim] */
    values: ofKeys(valueDim),
  };
}

/** A column as a row. */
const asRow = ({ of, offset, shape }: View): View => ({ of, offset, shape: [1, shape[0]!] });

interface Masking {
  readonly size: AttentionSize;
  readonly attrs: AttentionAttrs;
  readonly scratch: Numbers;
  readonly values: MaskValues;
  readonly isTransposed: boolean;
}

/** The mask of a strip's rows and a part of the keys, which all heads share; none where every query sees every key. */
function maskOf(
  { queries }: Strip,
  { keys, masked }: Part,
  row: BatchRow,
  { size: { group }, attrs, scratch, values, isTransposed }: Masking,
): View[] {
  if (masked.length === 0) return [];
  const [rows, width] = [group * length(queries), length(keys)];
  const [rowStride, keyStride] = isTransposed ? [1, rows] : [width, 1];
  scratch.fill(values.seen, 0, rows * width);
  for (let at = 0; at < rows; at++)
    for (const range of masked) {
      const query = queries[0] + Math.floor(at / group);
      const first = at * rowStride + (range[0] - keys[0]) * keyStride;
      hideKeys(row, query, range, attrs.window ?? Number.POSITIVE_INFINITY, {
        mask: scratch,
        first,
        stride: keyStride,
        unseen: values.unseen,
      });
    }
  return [{ of: scratch, offset: 0, shape: isTransposed ? [width, rows] : [rows, width] }];
}

/** Hides the keys of a range that a query does not see, as `sees` of attention-blocks.ts says: this is the loop that must be tight. */
function hideKeys(
  { queries, keys: { positions, documents } }: BatchRow,
  query: number,
  range: Range,
  window: number,
  { mask, first, stride, unseen }: { mask: Numbers; first: number; stride: number; unseen: number },
): void {
  const position = queries.positions[query]!;
  const document = queries.documents[query]!;
  const end = range[1];
  for (let key = range[0], at = first; key < end; key++, at += stride) {
    const before = position - positions[key]!;
    if (documents[key] !== document || before < 0 || before >= window) mask[at] = unseen;
  }
}

/** What kernels make of a query that sees no key, whose scores are all hidden, is replaced by what it stands for. */
function clearUnseen(out: View, lse: View): void {
  const [rows, width] = out.shape as [number, number];
  for (let row = 0; row < rows; row++) {
    if (lse.of[lse.offset + row]! > seesNothing) continue;
    lse.of[lse.offset + row] = seesNothing;
    out.of.fill(0, out.offset + row * width, out.offset + (row + 1) * width);
  }
}

const fill = ({ of, offset, shape }: View, value: number): void =>
  void of.fill(value, offset, offset + shape[0]! * shape[1]!);
