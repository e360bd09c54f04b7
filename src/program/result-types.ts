// The one rule by which every op turns operand types into result types, axis by axis; where it cannot, what is wrong and how to mend it.
import { type Dims, dimOf, type Label, parseDims } from './dim-labels.ts';
import type { Dtype } from './program.ts';
import {
  type AxisType,
  type Cut,
  cutOf,
  linearWith,
  type TypedAxis,
  type TypeProblem,
  type Types,
  type Typing,
} from './types.ts';

/**
 * What the rule needs to know of an operand. Only floats carry a gradient: a replicated operand of another kind mixes with
 * invariant ones.
 */
export interface Typed {
  readonly types: Types;
  readonly dtype: Dtype;
}

/** One op on one axis: the operands' types, which of them have gradients or differ, and which can be terms of a sum. */
interface Case {
  readonly typing: Typing;
  readonly dims: Dims;
  readonly axis: TypedAxis;
  readonly types: readonly AxisType[];
  readonly active: readonly number[];
  readonly terms: readonly number[];
}

/**
 * The types of an op's results on one axis, or what is wrong:
 * R.. -> R, I.. -> I, V.. -> V or (over a summed label) P, R with V -> V, I and L mix with nothing, P only where the op is linear.
 * O goes with R and O as V does, but is never summed over; PO goes with O where the op is linear, and summed over gives P.
 */
export function resultTypes(typing: Typing, operands: readonly Typed[], axis: TypedAxis): AxisType[] | TypeProblem {
  let key = '';
  for (const { types, dtype } of operands) key += `${types[axis] ?? 'R'} ${dtype},`;
  const known = found.get(typing)?.get(key);
  if (known) return known;
  const results = typesOf(typing, operands, axis);
  if (!Array.isArray(results)) return results;
  if (!found.has(typing)) found.set(typing, new Map());
  found.get(typing)!.set(key, results);
  return results;
}

/** Results that were found before, by the operands' types and kinds: they are the same on every axis. */
const found = new WeakMap<Typing, Map<string, AxisType[]>>();

function typesOf(typing: Typing, operands: readonly Typed[], axis: TypedAxis): AxisType[] | TypeProblem {
  const types = operands.map((operand) => operand.types[axis] ?? 'R');
  const active = types.map((_, index) => index).filter((at) => operands[at]!.dtype === 'float' || types[at] !== 'R');
  const terms = types.map((_, index) => index).filter((at) => operands[at]!.dtype !== 'int' || types[at] !== 'R');
  const op: Case = { typing, dims: parseDims(typing.dims), axis, types, active, terms };

  const unfinished = types.indexOf('Pmax');
  if (unfinished >= 0)
    return refuse(
      op,
      `operand ${unfinished} is a maximum still partial`,
      `all-reduce operand ${unfinished} over ${axis} by maximum (Pmax -> R) first`,
    );
  if (types.includes('L')) return localTypes(op);
  const invariant = types.indexOf('I');
  if (invariant >= 0) return invariantTypes(op, invariant);
  if (types.includes('P')) return partialTypes(op);
  return types.some(cutOf) ? cutTypes(op) : everywhere(op, 'R');
}

const everywhere = ({ dims }: Case, type: AxisType): AxisType[] => dims.results.map(() => type);

const refuse = ({ axis, types }: Case, problem: string, fix: string): TypeProblem => ({
  axis,
  problem: `${problem} (operands are ${types.join(', ')})`,
  fix,
});

/** How to have an operand whole: `all-gather operand 1 on dim 0 over tp (V0 -> R)`. */
function whole({ axis, types }: Case, index: number, to: 'R' | 'I'): string {
  const type = types[index]!;
  const { cut, dim } = cutOf(type)!;
  if (cut === 'V') return `all-gather operand ${index} on dim ${dim} over ${axis} (${type} -> ${to})`;
  return cut === 'O'
    ? `take operand ${index} whole, before ownSlice keeps parts of it on dim ${dim} over ${axis}`
    : `add up the parts of operand ${index} over ${axis} (${type} -> P, then all-reduce)`;
}

/** How to cut an operand's dim as another's of that label is. */
function alike({ axis, types, dims }: Case, index: number, dim: number, as: Cut): string {
  const operand = `operand ${index} on dim ${dim} over ${axis} (${types[index]} -> `;
  const part = dims.operands[index]![dim]!.own ? `, or the part that goes with it: O${dim}` : '';
  return as === 'V'
    ? `keep this rank's slice of ${operand}V${dim}${part})`
    : `keep the same part of ${operand}O${dim})`;
}

const cutOn = (type: AxisType): string => (cutOf(type)!.cut === 'V' ? 'sharded' : 'cut into parts');

const reduceAll = ({ axis }: Case, index: number, to: 'R' | 'I'): string =>
  `all-reduce operand ${index} over ${axis} (P -> ${to})`;

/** The label of the dim that an operand is cut on. */
const cutLabel = ({ dims, types }: Case, index: number): Label | undefined => {
  const cut = cutOf(types[index]!);
  return cut && dims.operands[index]?.[cut.dim];
};

function localTypes(op: Case): AxisType[] | TypeProblem {
  const { active, axis, types } = op;
  const other = active.find((index) => types[index] !== 'L');
  if (other === undefined) return everywhere(op, 'L');
  const local = types.indexOf('L');
  return refuse(
    op,
    `operand ${local} is local, operand ${other} is not`,
    `enter operand ${other} into the region that is local on ${axis} (enterLocal), or leave it with operand ${local} (leaveLocal), first`,
  );
}

function invariantTypes(op: Case, invariant: number): AxisType[] | TypeProblem {
  const { active, axis, dims, types } = op;
  const other = active.find((index) => types[index] !== 'I');
  if (other === undefined) return everywhere(op, 'I');
  const enter = `enter operand ${invariant} over ${axis} (I -> R)`;
  const type = types[other]!;
  if (type === 'P')
    return refuse(
      op,
      `operand ${invariant} is invariant, operand ${other} partial`,
      `${reduceAll(op, other, 'I')} first`,
    );
  if (type === 'R')
    return refuse(
      op,
      `operand ${invariant} is invariant, operand ${other} replicated`,
      `${enter} first, or make operand ${other} invariant too if every rank does the same with it`,
    );
  const dim = dimOf(dims.operands[invariant], cutLabel(op, other)?.name);
  const slices = cutOf(type)!.cut === 'V';
  return refuse(
    op,
    `operand ${invariant} is invariant, operand ${other} ${slices ? 'varies' : 'cut into parts'}`,
    dim < 0 || !slices
      ? `${enter}${dim < 0 ? '' : ` and keep the same part of its dim ${dim}`} first`
      : `${whole(op, other, 'I')}, or keep this rank's slice of operand ${invariant} on dim ${dim} (I -> V${dim}), first`,
  );
}

function partialTypes(op: Case): AxisType[] | TypeProblem {
  const { typing, terms, axis, dims, types } = op;
  const partials = terms.filter((index) => types[index] === 'P');
  const partial = partials[0]!;
  const others = terms.filter((index) => types[index] !== 'P');
  const to = others.some((index) => types[index] === 'R') ? 'R' : 'I';
  const reduce = `${reduceAll(op, partial, to)}, or reduce-scatter it (P -> V), first`;
  const together = linearWith(typing, partial);
  const apart = partials.find((index) => linearWith(typing, index) === undefined);
  if (apart !== undefined || !together)
    return refuse(op, `operand ${apart ?? partial} is partial and the op is not linear in it`, reduce);
  if (partials.some((index) => !together.includes(index)))
    return refuse(
      op,
      `operands ${partials.join(' and ')} are both partial, and a product of sums is not the sum of products`,
      `${reduceAll(op, partial, 'R')} first`,
    );
  const other = others.find((index) => together.includes(index));
  if (other !== undefined) {
    const dim = dimOf(dims.operands[partial], cutLabel(op, other)?.name);
    const fixes: Readonly<Record<Cut | 'R', string>> = {
      R: `${reduceAll(op, partial, 'R')} first: before it, operand ${other} would be counted once a rank`,
      V: `reduce-scatter operand ${partial} on dim ${dim} over ${axis} (P -> V${dim}) first`,
      O: `${reduceAll(op, partial, 'R')} and keep the same part of its dim ${dim} (R -> O${dim}) first`,
      PO: `put the parts of operand ${other} among zeros (${types[other]} -> P over ${axis}) first`,
    };
    return refuse(
      op,
      `operand ${partial} is partial, operand ${other} is not`,
      fixes[cutOf(types[other]!)?.cut ?? 'R'],
    );
  }
  if (others.some((index) => types[index] !== 'R'))
    return refuse(
      op,
      `operand ${partial} is partial and multiplied by one that varies`,
      `${reduceAll(op, partial, 'R')} first`,
    );
  return everywhere(op, 'P');
}

/** Some operand is cut over this axis: finds the label and follows it to the results. */
function cutTypes(op: Case): AxisType[] | TypeProblem {
  const { typing, dims, types } = op;
  const cut = types.flatMap((type, index) => (cutOf(type) ? [index] : []));
  const first = cut[0]!;
  const label = cutLabel(op, first)?.name;
  const problem = labelProblem(op, cut) ?? cutProblem(op, cut);
  if (problem) return problem;
  const cuts = cut.map((index) => ({ own: cutLabel(op, index)!.own, cut: cutOf(types[index]!)!.cut }));
  const main = (cuts.find((each) => each.cut === 'PO') ?? cuts.find(({ own }) => !own) ?? cuts[0]!).cut;
  const overlap = cuts.some((each) => each.own && each.cut === 'O');
  const summed = dims.results.some((labels) => {
    const dim = dimOf(labels, label);
    return dim < 0 || (overlap && labels[dim]!.own);
  });
  if (summed && typing.reduce === 'none')
    return refuse(
      op,
      `operand ${first} is ${cutOn(types[first]!)} on a dim that the op reduces`,
      `${whole(op, first, 'R')} first`,
    );
  if (summed && main === 'O')
    return refuse(
      op,
      `operand ${first} is cut into parts that may overlap on a dim that the op reduces`,
      `${whole(op, first, 'R')}, or cut it in even shares (V), first`,
    );
  return dims.results.map((labels): AxisType => {
    const dim = dimOf(labels, label);
    if (dim >= 0) return `${overlap && labels[dim]!.own ? 'PO' : main}${dim}`;
    return typing.reduce === 'max' ? 'Pmax' : 'P';
  });
}

/** All cut operands are cut on one label, which every operand that has it is cut on, and which the op does not need whole. */
function labelProblem(op: Case, cut: readonly number[]): TypeProblem | undefined {
  const { dims, types } = op;
  const first = cut[0]!;
  const { cut: how, dim: firstDim } = cutOf(types[first]!)!;
  const { name, own } = cutLabel(op, first) ?? {};
  for (const index of cut) {
    const found = cutLabel(op, index);
    const { dim } = cutOf(types[index]!)!;
    if (!found || found.name === '1')
      return refuse(
        op,
        `operand ${index} varies over dim ${dim}, which the op cannot keep apart`,
        `${whole(op, index, 'R')} first`,
      );
    if (found.whole)
      return refuse(
        op,
        `operand ${index} is ${cutOn(types[index]!)} on dim ${dim}, which the op needs whole`,
        `${whole(op, index, 'R')} first`,
      );
    if (found.name !== name)
      return refuse(
        op,
        `dim ${firstDim} of operand ${first} and dim ${dim} of operand ${index} are different dims ${cutOn(types[index]!)} over one axis`,
        `${whole(op, first, 'R')} or ${whole(op, index, 'R')} first`,
      );
  }
  for (const [index, labels] of dims.operands.entries()) {
    const dim = dimOf(labels, name);
    if (dim >= 0 && cutOf(types[index]!)?.dim !== dim)
      return refuse(
        op,
        `dim ${firstDim} of operand ${first} is ${cutOn(types[first]!)} and dim ${dim} of operand ${index}, which must match it, is whole`,
        `${alike(op, index, dim, own ? 'V' : how)}, or ${whole(op, first, 'R')}, first`,
      );
  }
  return undefined;
}

/** All operands are cut alike, but for dims that may have parts of their own; parts still to be summed only where the op is linear. */
function cutProblem(op: Case, cut: readonly number[]): TypeProblem | undefined {
  const { typing, active, types } = op;
  const how = (index: number): Cut => cutOf(types[index]!)!.cut;
  const partials = cut.filter((index) => how(index) === 'PO');
  const partial = partials[0];
  if (partial !== undefined) {
    const add = `${whole(op, partial, 'R')} first`;
    const together = linearWith(typing, partial);
    // Terms of parts that others share would reach this rank's slices alone.
    const shared = cutLabel(op, partial)!.own;
    if (shared || !together)
      return refuse(op, `operand ${partial} has parts still to be summed and the op is not linear in it`, add);
    const other = active.find((index) => !partials.includes(index) && together.includes(index));
    if (other !== undefined)
      return refuse(op, `operand ${partial} has parts still to be summed, operand ${other} is not such a sum`, add);
    if (partials.some((index) => !together.includes(index)))
      return refuse(op, `operands ${partials.join(' and ')} both have parts still to be summed`, add);
  }
  const shared = cut.filter((index) => how(index) !== 'PO' && !cutLabel(op, index)!.own);
  const owns = cut.filter((index) => how(index) !== 'PO' && cutLabel(op, index)!.own);
  const wanted = partial === undefined ? how(shared[0] ?? cut[0]!) : 'O';
  const wantedOfOwn = wanted === 'V' && owns.length > 0 ? how(owns[0]!) : wanted;
  const odd = shared.find((index) => how(index) !== wanted) ?? owns.find((index) => how(index) !== wantedOfOwn);
  if (odd === undefined) return undefined;
  const like = partial ?? (shared.includes(odd) || wantedOfOwn === wanted ? (shared[0] ?? cut[0]!) : owns[0]!);
  return refuse(
    op,
    `operands ${Math.min(odd, like)} and ${Math.max(odd, like)} are cut differently: V makes up the whole, parts (O) may overlap`,
    `keep the same parts of both over ${op.axis} (ownSlice), or even shares of both, first`,
  );
}
