// How a value is spread over a mesh axis, and the one rule by which every op turns operand types into result types.
//
// Per axis a value is
//   R   replicated: the same on every rank; its gradient is partial, because every rank uses it for something else
//   I   invariant: the same on every rank, and so is its gradient, because every rank does the same with it
//   Vd  varying: each rank holds its own slice of dim d, and the slices in order make up the whole; so does its gradient
//   Od  overlapping: each rank holds its own part of dim d of one whole; parts may overlap or leave gaps
//   POd the gradient of Od: each rank's terms of its own part; the whole is their sum, with zeros where a rank has no part
//   L   local: each rank holds something of its own, in a region of the program that says itself how ranks talk, as in shard_map; so
//       does its gradient. Only `enterLocal` and `leaveLocal` (ops/local.ts) lead in and out
//   P   partial: the ranks' values must still be summed; its gradient is replicated (Pmax: the maximum must still be taken)
// The forward type fixes the gradient's: R <-> P, I <-> I, L <-> L, Vd <-> Vd, Od <-> POd. A part of what is the same everywhere is O, a part
// of what is partial is PO: as R and P are for the whole. This is the typing of JAX's shard_map and of
// meta-pytorch/spmd_types, with the sharded dimension added so that contractions over it are known to be partial.
import type { Axis } from '../mesh/mesh.ts';

/** The axes a program is typed on. Stages of the pp axis run different programs, so it has no type. */
export const typedAxes = ['tp', 'cp', 'ep', 'dp'] as const satisfies readonly Axis[];
export type TypedAxis = (typeof typedAxes)[number];

export type AxisType = 'R' | 'I' | 'L' | 'P' | 'Pmax' | `${Cut}${number}`;

/** How a dim is cut: in slices that make up the whole, in parts that may overlap, in parts whose overlaps must still be summed. */
export type Cut = 'V' | 'O' | 'PO';

/** The type on every typed axis that has more than one rank; an axis of one rank has no entry. */
export type Types = Readonly<Partial<Record<TypedAxis, AxisType>>>;

/** How an op treats the mesh: which dims of its operands and results are the same dim, and in which operands it is linear. */
export interface Typing {
  /**
   * One label a dim, e.g. `b s k, n k -> b s n`. A label absent from a result is summed over, so a sharded one leaves that
   * result partial. `!` after a label: the op needs that dim whole. `1` marks a dim that carries no label.
   *
   * `~` after a label: where that label's other dims are slices (V), these may be parts that overlap (O), as those of key-value
   * heads that several ranks' query heads share; `~` in a result then has the terms of this rank's slices (PO).
   */
  readonly dims: string;
  /**
   * Partial operands are allowed: `all` when the op is linear in all operands together (add); a list: in one of these at a time, the
   * others replicated. A list in the list: operands in which it is linear together.
   */
  readonly linear?: 'all' | readonly (number | readonly number[])[];
  /** Labels summed over are reduced by maximum instead, or must not be sharded at all. */
  readonly reduce?: 'sum' | 'max' | 'none';
}

/** The operands in which an op is linear together with this one; undefined: it is not linear in it. */
export function linearWith({ linear, dims }: Typing, operand: number): readonly number[] | undefined {
  if (linear === 'all') return Array.from({ length: dims.split('->')[0]!.split(',').length }, (_, index) => index);
  const found = linear?.find((each) => (typeof each === 'number' ? each === operand : each.includes(operand)));
  return typeof found === 'number' ? [found] : found;
}

/** A typing problem on one axis and how to mend it. */
export interface TypeProblem {
  readonly axis: TypedAxis;
  readonly problem: string;
  readonly fix: string;
}

/** How a type cuts, and which dim; undefined when every rank holds all elements. */
export function cutOf(type: AxisType): HowCut | undefined {
  const known = cuts.get(type);
  if (known) return known;
  const [, cut, dim] = /^(V|O|PO)(\d+)$/.exec(type) ?? [];
  if (cut === undefined) return undefined;
  const found: HowCut = { cut: cut as Cut, dim: Number(dim) };
  cuts.set(type, found);
  return found;
}

interface HowCut {
  readonly cut: Cut;
  readonly dim: number;
}
const cuts = new Map<AxisType, HowCut>();

/** The dim that a value is sharded on, each element on one rank. */
export const varyingDim = (type: AxisType): number | undefined =>
  type.startsWith('V') ? Number(type.slice(1)) : undefined;

/** The type a gradient has, given its value's type. */
export function dual(type: AxisType): AxisType {
  if (type === 'R') return 'P';
  if (type === 'P') return 'R';
  if (type.startsWith('O')) return `P${type}` as AxisType;
  if (type.startsWith('PO')) return type.slice(1) as AxisType;
  return type;
}

export const dualTypes = (types: Types): Types => mapTypes(types, dual);

export function mapTypes(types: Types, change: (type: AxisType, axis: TypedAxis) => AxisType): Types {
  const changed: { [axis in TypedAxis]?: AxisType } = {};
  for (const axis of typedAxes) {
    const type = types[axis];
    if (type !== undefined) changed[axis] = change(type, axis);
  }
  return changed;
}

export const sameTypes = (a: Types, b: Types): boolean => typedAxes.every((axis) => a[axis] === b[axis]);

export const printTypes = (types: Types): string =>
  typedAxes.flatMap((axis) => (types[axis] === undefined ? [] : [`${axis}:${types[axis]}`])).join(' ');
