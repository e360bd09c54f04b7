// How a value is spread over a mesh axis, and the one rule by which every op turns operand types into result types.
//
// Per axis a value is
//   R   replicated: the same on every rank; its gradient is partial, because every rank uses it for something else
//   I   invariant: the same on every rank, and so is its gradient, because every rank does the same with it
//   Vd  varying: each rank holds its own slice of dim d; so is its gradient
//   P   partial: the ranks' values must still be summed; its gradient is replicated (Pmax: the maximum must still be taken)
// The forward type fixes the gradient's: R <-> P, I <-> I, Vd <-> Vd. This is the typing of JAX's shard_map and of
// meta-pytorch/spmd_types, with the sharded dimension added so that contractions over it are known to be partial.
import type { Axis } from '../mesh/mesh.ts';

/** The axes a program is typed on. Stages of the pp axis run different programs, so it has no type. */
export const typedAxes = ['tp', 'cp', 'ep', 'dp'] as const satisfies readonly Axis[];
export type TypedAxis = (typeof typedAxes)[number];

export type AxisType = 'R' | 'I' | 'P' | 'Pmax' | `V${number}`;

/** The type on every typed axis that has more than one rank; an axis of one rank has no entry. */
export type Types = Readonly<Partial<Record<TypedAxis, AxisType>>>;

/** How an op treats the mesh: which dims of its operands and results are the same dim, and in which operands it is linear. */
export interface Typing {
  /**
   * One label a dim, e.g. `b s k, n k -> b s n`. A label absent from a result is summed over, so a sharded one leaves that
   * result partial. `!` after a label: the op needs that dim whole. `1` marks a dim that carries no label.
   */
  readonly dims: string;
  /** Partial operands are allowed: `all` when the op is linear in all operands together (add); a list: in one of these at a time, the others replicated. */
  readonly linear?: 'all' | readonly number[];
  /** Labels summed over are reduced by maximum instead, or must not be sharded at all. */
  readonly reduce?: 'sum' | 'max' | 'none';
}

/** A typing problem on one axis and how to mend it. */
export interface TypeProblem {
  readonly axis: TypedAxis;
  readonly problem: string;
  readonly fix: string;
}

export const varyingDim = (type: AxisType): number | undefined =>
  type.startsWith('V') ? Number(type.slice(1)) : undefined;

/** The type a gradient has, given its value's type. */
export function dual(type: AxisType): AxisType {
  if (type === 'R') return 'P';
  if (type === 'P') return 'R';
  return type;
}

export const dualTypes = (types: Types): Types => mapTypes(types, dual);

export function mapTypes(types: Types, change: (type: AxisType, axis: TypedAxis) => AxisType): Types {
  return Object.fromEntries(
    typedAxes.flatMap((axis) => {
      const type = types[axis];
      return type === undefined ? [] : [[axis, change(type, axis)]];
    }),
  );
}

export const sameTypes = (a: Types, b: Types): boolean => typedAxes.every((axis) => a[axis] === b[axis]);

export const printTypes = (types: Types): string =>
  typedAxes.flatMap((axis) => (types[axis] === undefined ? [] : [`${axis}:${types[axis]}`])).join(' ');

interface Label {
  readonly name: string;
  readonly whole: boolean;
}
interface Dims {
  readonly operands: readonly (readonly Label[])[];
  readonly results: readonly (readonly Label[])[];
}

const parsed = new Map<string, Dims>();

function parseDims(text: string): Dims {
  const known = parsed.get(text);
  if (known) return known;
  const side = (part: string): Label[][] =>
    part.split(',').map((tensor) =>
      tensor
        .trim()
        .split(/\s+/)
        .filter((word) => word !== '')
        .map((word) => ({ name: word.replace('!', ''), whole: word.endsWith('!') })),
    );
  const [left = '', right = ''] = text.split('->');
  const dims = { operands: side(left), results: side(right) };
  parsed.set(text, dims);
  return dims;
}

/** What the rule needs to know of an operand. Integers carry no gradient: a replicated one mixes with anything. */
export interface Typed {
  readonly types: Types;
  readonly dtype: 'float' | 'int';
}

/**
 * The types of an op's results on one axis, or what is wrong:
 * R.. -> R, I.. -> I, V.. -> V or (over a summed label) P, R with V -> V, I mixes with nothing, P only where the op is linear.
 */
export function resultTypes(typing: Typing, operands: readonly Typed[], axis: TypedAxis): AxisType[] | TypeProblem {
  const dims = parseDims(typing.dims);
  const all = operands.map((operand) => operand.types[axis] ?? 'R');
  const matters = (index: number) => !(operands[index]!.dtype === 'int' && all[index] === 'R');
  const active = all.map((_, index) => index).filter(matters);
  const kinds = new Set(active.map((index) => all[index]!.charAt(0)));
  const shown = `operands are ${all.join(', ')}`;
  const same = (type: AxisType): AxisType[] => dims.results.map(() => type);
  const problem = (text: string, fix: string): TypeProblem => ({ axis, problem: `${text} (${shown})`, fix });

  if (active.some((index) => all[index] === 'Pmax'))
    return problem('a partial maximum is used before it is complete', `all-reduce it over ${axis} with max first`);
  if (kinds.has('I') && kinds.size > 1)
    return problem(
      'an invariant value is mixed with others',
      kinds.has('P')
        ? `all-reduce the partial value over ${axis} (P -> I) first`
        : kinds.has('V')
          ? `a collective is missing: all-reduce or all-gather the varying value over ${axis} to I, or enter the invariant one (I -> R)`
          : `enter the invariant value over ${axis} (I -> R) first`,
    );
  if (kinds.has('P')) return partialTypes(typing, active, all, same, problem);
  if (!kinds.has('V')) return same(active.length > 0 && kinds.has('I') ? 'I' : 'R');

  // Some operand is sharded over this axis: find the label and follow it to the results.
  let label: string | undefined;
  for (const index of active) {
    const dim = varyingDim(all[index]!);
    if (dim === undefined) continue;
    const at = dims.operands[index]?.[dim];
    if (!at || at.name === '1')
      return problem(`operand ${index} varies over dim ${dim}, which this op cannot keep apart`, gatherFix(axis, dim));
    if (at.whole)
      return problem(`operand ${index} is sharded over dim ${dim}, which this op needs whole`, gatherFix(axis, dim));
    if (label !== undefined && label !== at.name)
      return problem(`two different dims (${label}, ${at.name}) are sharded over the same axis`, gatherFix(axis, dim));
    label = at.name;
  }
  for (const index of active) {
    const dim = dims.operands[index]!.findIndex((l) => l.name === label);
    if (dim >= 0 && varyingDim(all[index]!) !== dim)
      return problem(
        `dim ${label} is sharded in one operand and whole in operand ${index}`,
        `slice operand ${index} on dim ${dim} over ${axis}, or all-gather the sharded one`,
      );
  }
  const results: AxisType[] = [];
  for (const result of dims.results) {
    const dim = result.findIndex((l) => l.name === label);
    if (dim >= 0) results.push(`V${dim}`);
    else if (typing.reduce === 'none')
      return problem(`dim ${label} is reduced while sharded`, `all-gather it over ${axis} first`);
    else results.push(typing.reduce === 'max' ? 'Pmax' : 'P');
  }
  return results;
}

const gatherFix = (axis: TypedAxis, dim: number) => `all-gather it on dim ${dim} over ${axis} first`;

function partialTypes(
  typing: Typing,
  active: readonly number[],
  all: readonly AxisType[],
  same: (type: AxisType) => AxisType[],
  problem: (text: string, fix: string) => TypeProblem,
): AxisType[] | TypeProblem {
  const reduceFirst = 'all-reduce (or reduce-scatter) the partial value first';
  const partial = active.filter((index) => all[index] === 'P');
  if (typing.linear === undefined) return problem('a partial value enters an op that is not linear', reduceFirst);
  if (typing.linear === 'all')
    return partial.length === active.length
      ? same('P')
      : problem('a partial value is added to one that is not', reduceFirst);
  if (partial.length > 1) return problem('two partial values are multiplied', reduceFirst);
  if (!typing.linear.includes(partial[0]!))
    return problem(`a partial value enters operand ${partial[0]}, in which the op is not linear`, reduceFirst);
  if (active.some((index) => index !== partial[0] && all[index] !== 'R'))
    return problem('a partial value is multiplied by one that varies', reduceFirst);
  return same('P');
}
