// Token embedding from a table that may be sharded by vocabulary: rows outside the shard give zeros, so the result is partial.

import type { KernelShape } from '../program/kernel-shape.ts';
import type { TensorShape, Value } from '../program/program.ts';
import { elementBytes, elements, expectShape, type Numbers, type Op } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { float, lastDim, ndarray } from './shapes.ts';

/** The first vocabulary row this rank holds. */
interface VocabularyShard {
  readonly offset: number;
}

/** Calls `visit(token index, row of this shard)` for the tokens this shard holds. */
function eachHeld(
  ids: ArrayLike<number>,
  offset: number,
  rows: number,
  visit: (token: number, row: number) => void,
): void {
  for (let token = 0; token < ids.length; token++) {
    const row = ids[token]! - offset;
    if (row >= 0 && row < rows) visit(token, row);
  }
}

const embeddingOp: Op<VocabularyShard> = {
  name: 'embedding',
  shape: ([ids, table]) => {
    expectShape(
      ids!.dtype === 'int' && ids!.shape.length === 2,
      `needs token ids [b, s] of type int, got ${ids!.dtype} [${ids!.shape}]`,
    );
    expectShape(table!.shape.length === 2, `needs a table [vocabulary, features], got [${table!.shape}]`);
    return [float([...ids!.shape, lastDim(table!.shape)])];
  },
  // A partial table is refused, though the op is linear in it: embeddingGrad could not type its gradient.
  typing: { dims: 'b s, v h -> b s h' },
  vjp: ({ node, gradients: [g] }) => [
    undefined,
    embeddingGrad(g!, node.inputs[0]!, node.inputs[1]!, node.attrs.offset),
  ],
  kernel: ([ids, table]) => ofRows(ids!, table!, 2),
  execution: {
    by: 'host',
    run: ([ids, table], [out], { offset }, node) => {
      const width = lastDim(node.inputs[1]!.shape);
      out!.fill(0);
      eachHeld(ids!, offset, node.inputs[1]!.shape[0]!, (token, row) =>
        (out as Float64Array).set((table as Float64Array).subarray(row * width, (row + 1) * width), token * width),
      );
    },
  },
  reference: ([ids, table], { offset }) => {
    const [rows, width] = table!.shape as [number, number];
    return [
      ndarray([...ids!.shape, width], (i) => {
        const row = ids!.data[Math.floor(i / width)]! - offset;
        return row >= 0 && row < rows ? table!.data[row * width + (i % width)]! : 0;
      }),
    ];
  },
};

/** Goes so many times through the rows of the tokens, and not through the whole table. */
const ofRows = (ids: TensorShape, table: TensorShape, times: number, more = 0): KernelShape => ({
  kind: 'memory',
  floats: times * elements(ids.shape) * lastDim(table.shape) + more,
  bytes: elements(ids.shape) * elementBytes('int', 'f32'),
});

/** The table is an operand for its shape and typing only. */
const embeddingGradOp: Op<VocabularyShard> = {
  name: 'embeddingGrad',
  shape: ([, , table]) => [float(table!.shape)],
  typing: { dims: 'b s h, b s, v h -> v h', linear: [0] },
  accumulates: 3,
  kernel: ([, ids, table, accumulator]) => ofRows(ids!, table!, 3, accumulator ? 0 : elements(table!.shape)),
  execution: {
    by: 'host',
    run: ([dy, ids, , accumulator], [out], { offset }, node) => {
      const [rows, width] = node.inputs[2]!.shape as [number, number];
      if (!accumulator) out!.fill(0);
      eachHeld(ids!, offset, rows, (token, row) => addRow(out!, row * width, dy!, token * width, width));
    },
  },
  reference: ([dy, ids, table], { offset }) => {
    const [rows, width] = table!.shape as [number, number];
    const out = ndarray(table!.shape, () => 0);
    eachHeld(ids!.data, offset, rows, (token, row) => addRow(out.data, row * width, dy!.data, token * width, width));
    return [out];
  },
};

function addRow(out: Numbers, to: number, rows: Numbers, from: number, width: number): void {
  for (let i = 0; i < width; i++) out[to + i]! += rows[from + i]!;
}

/** ids [b, s] and a table [v, h] of the rows from `offset` -> [b, s, h]. */
export const embedding = (ids: Value, table: Value, offset = 0): Value =>
  apply(embeddingOp, [ids, table], { offset })[0]!;
const embeddingGrad = (dy: Value, ids: Value, table: Value, offset: number): Value =>
  apply(embeddingGradOp, [dy, ids, table], { offset })[0]!;

export const embeddingOps = { embeddingOp, embeddingGradOp };
