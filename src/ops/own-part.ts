// Where in the whole a part begins that a rank holds: a type says only on which dim it is cut.
import { dimOf, parseDims } from '../program/dim-labels.ts';
import type { Node, Value } from '../program/program.ts';
import { cutOf, type TypedAxis } from '../program/types.ts';
import { collectiveOps } from './collectives.ts';

/** The first element on `dim`, found where the part was cut off the whole; undefined for an input, whose types are a promise. */
export function partStart(x: Value, axis: TypedAxis, dim: number): number | undefined {
  const node = x.trace.nodes.findLast(({ outputs }) => outputs.includes(x));
  if (!node) return undefined;
  if (node.op.name === collectiveOps.ownSliceOp.name) {
    const own = node.attrs as { axes: readonly TypedAxis[]; dim: number; start: number };
    if (own.axes.includes(axis)) return own.start;
  }
  const from = cutLike(node, x, axis, dim);
  return from && partStart(from.operand, axis, from.dim);
}

/** An operand with the same part of the same dim. */
function cutLike({ op, inputs, outputs, attrs }: Node, x: Value, axis: TypedAxis, dim: number) {
  const typing = typeof op.typing === 'function' ? op.typing(inputs, attrs) : op.typing;
  const dims = typing && parseDims(typing.dims);
  const label = dims?.results[outputs.indexOf(x)]?.[dim]?.name;
  for (const [index, operand] of inputs.entries()) {
    const found = dims ? dimOf(dims.operands[index], label) : dim;
    const cut = cutOf(operand.types[axis] ?? 'R');
    if (cut?.cut === 'O' && cut.dim === found && operand.shape[found] === x.shape[dim]) return { operand, dim: found };
  }
  return undefined;
}
