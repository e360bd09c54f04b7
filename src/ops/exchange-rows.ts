// Rows that go to the rank that has what they need, and back: of experts that ranks share out, every slot of a token goes to its expert's.
//
//   experts [b, s, k]      3 0 | 1 3 | 0 2             of slots 0 1 | 2 3 | 4 5; experts 0 and 1 are rank 0's, 2 and 3 rank 1's
//   order                  1 2 4 | 0 3 5               slots, those of a rank side by side
//   counts                 3       3                   rows for each rank
//   rows that come         [1, room, ..]               those of rank 0, of rank 1, ..; what lies behind them is nobody's
//
// An order tells the slots of one rank apart, so all this is written where the axes of data are local. How many rows come is known at run time alone, so they lie in room for as many as can come, and `usedRows` says which are there.
import { elements, expectShape, type Op, type TensorShape, type Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import type { TypedAxis } from '../program/types.ts';
import { type OnAxes, transition } from './collectives.ts';
import { insteadOf } from './instead-of.ts';
import { float, lastDim } from './shapes.ts';

const int = (shape: readonly number[]): TensorShape => ({ shape, dtype: 'int' });

interface Sharing extends Packing {
  readonly ranks: number;
  /** Experts of a rank; those of rank 0 come first. */
  readonly each: number;
}

interface Packing {
  /** Slots that have an expert, at most. */
  readonly room: number;
}

/** Results: order [b, s, k]; the experts by their number on their rank, in that order, [1, room, 1]; counts [1, 1, ranks]. */
const sendOrderOp: Op<Sharing> = {
  name: 'sendOrder',
  shape: ([experts], { ranks, room }) => {
    const { shape, dtype } = experts!;
    expectShape(dtype === 'int' && shape.length === 3, `needs experts [b, s, k] of type int, got ${dtype} [${shape}]`);
    return [int(shape), int([1, room, 1]), int([1, 1, ranks])];
  },
  typing: { dims: 'b! s! k! -> b s k, b s k, b s r' },
  execution: {
    by: 'host',
    run: ([experts], [order, local, counts], { each, room }) => {
      counts!.fill(0);
      for (let slot = 0; slot < experts!.length; slot++)
        if (experts![slot]! >= 0) counts![Math.floor(experts![slot]! / each)]! += 1;
      const next = new Int32Array(counts!.length);
      for (let rank = 1; rank < next.length; rank++) next[rank] = next[rank - 1]! + counts![rank - 1]!;
      const sent = next.at(-1)! + counts!.at(-1)!;
      if (sent > room) throw new RangeError(`sendOrder: ${sent} slots have an expert, and there is room for ${room}`);
      for (let slot = 0; slot < experts!.length; slot++) {
        const expert = experts![slot]!;
        if (expert < 0) continue;
        const place = next[Math.floor(expert / each)]!++;
        order![place] = slot;
        local![place] = expert % each;
      }
      order!.fill(-1, sent);
      local!.fill(-1, sent);
    },
  },
  reference: ([experts], { ranks, each, room }) => {
    const slots = [...experts!.data.keys()].filter((slot) => experts!.data[slot]! >= 0);
    const rankOf = (slot: number) => Math.floor(experts!.data[slot]! / each);
    const order = Array.from({ length: ranks }, (_, rank) => slots.filter((slot) => rankOf(slot) === rank)).flat();
    const padded = (numbers: readonly number[], length: number) =>
      Float64Array.from({ length }, (_, i) => numbers[i] ?? -1);
    const counts = Array.from({ length: ranks }, (_, rank) => slots.filter((slot) => rankOf(slot) === rank).length);
    return [
      { shape: experts!.shape, data: padded(order, experts!.data.length) },
      {
        shape: [1, room, 1],
        data: padded(
          order.map((slot) => experts!.data[slot]! % each),
          room,
        ),
      },
      { shape: [1, 1, ranks], data: Float64Array.from(counts) },
    ];
  },
};

/** Numbers [1, 1, ranks], one for each rank. */
const exchangeCountsOp: Op<OnAxes> = {
  name: 'exchangeCounts',
  shape: ([counts]) => [counts!],
  execution: { by: 'transport', call: 'allToAll', how: () => ({}) },
};

/** What the rows of a tensor belong to: a slot each, or the token that its slots share. */
type Rows = 'slots' | 'tokens';
const rowsAre = ({ shape }: TensorShape): Rows => (shape.length === 3 ? 'tokens' : 'slots');
/** Features of tokens or of slots, which keep their number of dims, the order and counts. */
const typingOf = (rows: Rows): string =>
  rows === 'tokens' ? 'b! s! f, b! s! k!, b! s! r! -> b s f' : 'b! s! k! f, b! s! k!, b! s! r! -> b s k f';
const packedShape = (rows: Rows, count: number, width: number): TensorShape =>
  float(rows === 'tokens' ? [1, count, width] : [1, count, 1, width]);

/** Calls `visit` for every row that is sent: its place, and the row of the tensor (of tokens or of slots) that it is. */
function eachSent(
  order: ArrayLike<number>,
  rows: Rows,
  perToken: number,
  visit: (place: number, row: number) => void,
): void {
  for (let place = 0; place < order.length && order[place]! >= 0; place++)
    visit(place, rows === 'tokens' ? Math.floor(order[place]! / perToken) : order[place]!);
}

/** Features of tokens [b, s, f] or of slots [b, s, k, f] -> rows in the order in which they are sent. */
const packRowsOp: Op<Packing> = {
  name: 'packRows',
  shape: ([x], { room }) => [packedShape(rowsAre(x!), room, lastDim(x!.shape))],
  typing: ([x]) => ({ dims: typingOf(rowsAre(x!)), linear: [0] }),
  vjp: ({ node: { inputs }, gradients: [g] }) => [unpackRows(g!, sentOf(inputs)), undefined, undefined],
  countedBy: 2,
  execution: {
    by: 'host',
    run: ([x, order], [packed], _, { inputs: [of, slots] }) => {
      const width = lastDim(of!.shape);
      let end = 0;
      eachSent(order!, rowsAre(of!), lastDim(slots!.shape), (place, row) => {
        packed!.set(x!.subarray(row * width, (row + 1) * width), place * width);
        end = (place + 1) * width;
      });
      packed!.fill(0, end);
    },
  },
  reference: ([x, order], { room }) => {
    const rows = rowsAre(float(x!.shape));
    const width = lastDim(x!.shape);
    const { shape } = packedShape(rows, room, width);
    const data = new Float64Array(elements(shape));
    for (const [place, slot] of order!.data.subarray(0, room).entries()) {
      const row = rows === 'tokens' ? Math.floor(slot / lastDim(order!.shape)) : slot;
      for (let i = 0; i < width && slot >= 0; i++) data[place * width + i] = x!.data[row * width + i]!;
    }
    return [{ shape, data }];
  },
};

/** Rows in the order in which they were sent -> features of slots, zeros where none was sent, or the sums of tokens' slots. */
const unpackRowsOp: Op = {
  name: 'unpackRows',
  shape: ([packed, order]) => {
    const tokens = rowsAre(packed!) === 'tokens';
    return [float([...(tokens ? order!.shape.slice(0, 2) : order!.shape), lastDim(packed!.shape)])];
  },
  typing: ([x]) => ({ dims: typingOf(rowsAre(x!)), linear: [0] }),
  vjp: ({ node: { inputs }, gradients: [g] }) => [
    packRows(g!, sentOf(inputs), inputs[0]!.shape[1]!),
    undefined,
    undefined,
  ],
  execution: {
    by: 'host',
    run: ([packed, order], [x], _, { inputs: [of, slots] }) => {
      const width = lastDim(of!.shape);
      const written = new Uint8Array(x!.length / width);
      eachSent(order!, rowsAre(of!), lastDim(slots!.shape), (place, row) => {
        const [from, to] = [place * width, row * width];
        // The first is copied: several times as fast as adding.
        if (!written[row]) x!.set(packed!.subarray(from, from + width), to);
        else for (let i = 0; i < width; i++) x![to + i]! += packed![from + i]!;
        written[row] = 1;
      });
      for (const [row, there] of written.entries()) if (!there) x!.fill(0, row * width, (row + 1) * width);
    },
  },
  reference: ([packed, order]) => {
    const width = lastDim(packed!.shape);
    const tokens = rowsAre(float(packed!.shape)) === 'tokens';
    const shape = [...(tokens ? order!.shape.slice(0, 2) : order!.shape), width];
    const data = new Float64Array(elements(shape));
    for (const [place, slot] of order!.data.entries()) {
      const row = tokens ? Math.floor(slot / lastDim(order!.shape)) : slot;
      for (let i = 0; i < width && slot >= 0; i++) data[row * width + i]! += packed!.data[place * width + i]!;
    }
    return [{ shape, data }];
  },
};

interface RowsExchanged extends OnAxes {
  /** Rows that the result has room for. */
  readonly room: number;
  /** Rows that a rank sends in all, its own included, if none is left out. */
  readonly sent: number;
}

/** Operands: rows [1, n, ..], how many of them go to each rank, and how many come from each. */
const exchangeRowsOp: Op<RowsExchanged> = {
  name: 'exchangeRows',
  shape: ([rows], { room }) => [{ ...rows!, shape: [1, room, ...rows!.shape.slice(2)] }],
  vjp: ({ node, gradients: [g] }) => {
    const [rows, sent, received] = node.inputs as [Value, Value, Value];
    return [exchangeRows(g!, node.attrs.axes[0]!, received, sent, { ...node.attrs, room: rows.shape[1]! })];
  },
  execution: {
    by: 'transport',
    call: 'allToAllV',
    how: ({ sent }, { inputs: [rows] }) => ({ width: elements(rows!.shape.slice(2)), rows: sent }),
  },
};

/** Experts of rows that came [1, room, 1], those that are nobody's -1; over the operand. `received` [1, 1, ranks]. */
const usedRowsOp: Op = {
  name: 'usedRows',
  shape: ([experts]) => [experts!],
  typing: { dims: 'b! s! k!, b! s! r! -> b s k' },
  inPlace: [0],
  countedBy: 1,
  execution: {
    by: 'host',
    run: ([experts, received], [used]) => {
      if (used !== experts) used!.set(experts!);
      let count = 0;
      for (const rows of received!) count += rows;
      used!.fill(-1, count);
    },
  },
  reference: ([experts, received]) => {
    const count = received!.data.reduce((sum, each) => sum + each, 0);
    return [{ shape: experts!.shape, data: experts!.data.map((expert, row) => (row < count ? expert : -1)) }];
  },
};

/** Which slots are sent, in what order, and how many to each rank. */
export interface SendOrder {
  readonly order: Value;
  readonly counts: Value;
}

/** Of the operands of packing and unpacking. */
const sentOf = ([, order, counts]: readonly Value[]): SendOrder => ({ order: order!, counts: counts! });

/**
 * Experts [b, s, k] (-1: of none), of which each rank has `each` and `room` slots have one at most -> which rows go to which of so many
 * ranks, and experts in their order [1, room, 1].
 */
export function sendOrder(experts: Value, sharing: Sharing): SendOrder & { readonly experts: Value } {
  const [order, local, counts] = apply(sendOrderOp, [experts], sharing);
  return { order: order!, experts: local!, counts: counts! };
}

/** L -> L: counts [1, 1, ranks], one for each rank of the axis -> those that they have for this rank. Of one rank they stay. */
export const exchangeCounts = (counts: Value, axis: TypedAxis): Value =>
  counts.trace.mesh[axis] === 1
    ? counts
    : transition(exchangeCountsOp, counts, { axes: [axis] }, ['L'], 'L', insteadOf.outside);

/** Features of tokens [b, s, f] -> [1, room, f]; of slots [b, s, k, f] -> [1, room, 1, f]. */
export const packRows = (x: Value, { order, counts }: SendOrder, room: number): Value =>
  apply(packRowsOp, [x, order, counts], { room })[0]!;

/** Rows [1, room, f] -> the sums of tokens [b, s, f]; [1, room, 1, f] -> slots [b, s, k, f]. */
export const unpackRows = (packed: Value, { order, counts }: SendOrder): Value =>
  apply(unpackRowsOp, [packed, order, counts], {})[0]!;

/** L -> L: rows [1, n, ..] in the order of the ranks they go to -> [1, room, ..], in the order of those they come from. Of one rank they stay. */
export function exchangeRows(
  rows: Value,
  axis: TypedAxis,
  sent: Value,
  received: Value,
  how: Pick<RowsExchanged, 'room' | 'sent'>,
): Value {
  if (rows.trace.mesh[axis] === 1) return rows;
  const attrs = { axes: [axis], room: how.room, sent: how.sent };
  return transition(exchangeRowsOp, rows, attrs, ['L'], 'L', insteadOf.outside, [sent, received], received);
}

export const usedRows = (experts: Value, received: Value): Value => apply(usedRowsOp, [experts, received], {})[0]!;

export const exchangeOps = { sendOrderOp, exchangeCountsOp, packRowsOp, unpackRowsOp, exchangeRowsOp, usedRowsOp };
