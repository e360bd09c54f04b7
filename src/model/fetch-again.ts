// Keys and values that came from other ranks of cp are not kept for the backward pass: they are sent again when they are read, so that a
// rank holds the block that it looks at and the next, however many ranks there are (Liu et al., "Ring Attention", 2023).
//
// Gradients go round the other way, so the last block is read first: it is one place back in the ring, the one before it one more.
import { ringShiftOp, type Shifted } from '../ops/local.ts';
import type { Node, Program, Value } from '../program/program.ts';
import type { TypedAxis } from '../program/types.ts';

/** A value that went round, from where it came: `shift` places on. */
interface Round {
  readonly start: Value;
  readonly shift: number;
}

/** Backward nodes that read nothing of a forward program that came over cp: each makes it anew before it is read first. */
export function fetchedAgain(forward: Program, backward: readonly Node[]): Node[] {
  const makers = new Map(forward.nodes.flatMap((node) => node.outputs.map(({ id }) => [id, node] as const)));
  const made = new Set(backward.flatMap((node) => node.outputs.map(({ id }) => id)));
  const roundOf = (value: Value): Round => {
    const maker = makers.get(value.id);
    if (maker?.op.name !== ringShiftOp.name) return { start: value, shift: 0 };
    const { start, shift } = roundOf(maker.inputs[0]!);
    return { start, shift: shift + (maker.attrs as Shifted).shift };
  };
  /** By the start's id: the value that went round last, and how far. */
  const last = new Map<number, Round>();
  const again = (value: Value, maker: Node): Node => {
    if (maker.op.name !== ringShiftOp.name) return maker;
    const { start, shift } = roundOf(value);
    const from = last.get(start.id) ?? { start, shift: 0 };
    last.set(start.id, { start: value, shift });
    const attrs: Shifted = { ...(maker.attrs as Shifted), shift: nearest(shift - from.shift, value.trace.mesh.cp) };
    return { ...maker, inputs: [from.start], outputs: [value], attrs };
  };
  return backward.flatMap((node) => {
    const fetched = node.inputs.flatMap((value) => {
      const maker = makers.get(value.id);
      if (!maker || made.has(value.id) || !comesOverCp(maker)) return [];
      made.add(value.id);
      return [again(value, maker)];
    });
    return [...fetched, node];
  });
}

function comesOverCp({ op: { execution }, attrs }: Node): boolean {
  if (execution.by !== 'transport') return false;
  const { axes } = attrs as { readonly axes: readonly TypedAxis[] };
  return axes.join() === 'cp' && (execution.call === 'ringShift' || execution.call === 'allGather');
}

/** The same shift round a ring, the short way. */
function nearest(shift: number, ranks: number): number {
  const on = ((shift % ranks) + ranks) % ranks;
  return on > ranks / 2 ? on - ranks : on;
}
