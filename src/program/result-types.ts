// The one rule by which every op turns operand types into result types, axis by axis; where it cannot, what is wrong and how to mend it.
import { type AxisType, type TypedAxis, type TypeProblem, type Types, type Typing, varyingDim } from './types.ts';

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

/** One op on one axis: the operands' types, and which of them matter (not the replicated integers). */
interface Case {
  readonly typing: Typing;
  readonly dims: Dims;
  readonly axis: TypedAxis;
  readonly types: readonly AxisType[];
  readonly active: readonly number[];
}

/**
 * The types of an op's results on one axis, or what is wrong:
 * R.. -> R, I.. -> I, V.. -> V or (over a summed label) P, R with V -> V, I mixes with nothing, P only where the op is linear.
 */
export function resultTypes(typing: Typing, operands: readonly Typed[], axis: TypedAxis): AxisType[] | TypeProblem {
  const types = operands.map((operand) => operand.types[axis] ?? 'R');
  const active = types.map((_, index) => index).filter((at) => operands[at]!.dtype === 'float' || types[at] !== 'R');
  const op: Case = { typing, dims: parseDims(typing.dims), axis, types, active };

  const unfinished = types.indexOf('Pmax');
  if (unfinished >= 0)
    return refuse(
      op,
      `operand ${unfinished} is a maximum still partial`,
      `all-reduce operand ${unfinished} over ${axis} by maximum (Pmax -> R) first`,
    );
  const invariant = types.indexOf('I');
  if (invariant >= 0) return invariantTypes(op, invariant);
  if (types.includes('P')) return partialTypes(op);
  return types.some((type) => varyingDim(type) !== undefined) ? varyingTypes(op) : everywhere(op, 'R');
}

const everywhere = ({ dims }: Case, type: AxisType): AxisType[] => dims.results.map(() => type);

const refuse = ({ axis, types }: Case, problem: string, fix: string): TypeProblem => ({
  axis,
  problem: `${problem} (operands are ${types.join(', ')})`,
  fix,
});

/** `all-gather operand 1 on dim 0 over tp (V0 -> R)`. */
const gather = ({ axis, types }: Case, index: number, to: 'R' | 'I'): string =>
  `all-gather operand ${index} on dim ${varyingDim(types[index]!)} over ${axis} (${types[index]} -> ${to})`;

const reduceAll = ({ axis }: Case, index: number, to: 'R' | 'I'): string =>
  `all-reduce operand ${index} over ${axis} (P -> ${to})`;

/** The label of the dim that an operand is sharded on. */
const shardedLabel = ({ dims, types }: Case, index: number): Label | undefined => {
  const dim = varyingDim(types[index]!);
  return dim === undefined ? undefined : dims.operands[index]?.[dim];
};

const dimOf = (labels: readonly Label[] | undefined, name: string | undefined): number =>
  labels?.findIndex((label) => label.name === name) ?? -1;

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
  const dim = dimOf(dims.operands[invariant], shardedLabel(op, other)?.name);
  return refuse(
    op,
    `operand ${invariant} is invariant, operand ${other} varies`,
    dim < 0
      ? `${enter} first`
      : `${gather(op, other, 'I')}, or keep this rank's slice of operand ${invariant} on dim ${dim} (I -> V${dim}), first`,
  );
}

function partialTypes(op: Case): AxisType[] | TypeProblem {
  const { typing, active, axis, dims, types } = op;
  const partials = active.filter((index) => types[index] === 'P');
  const partial = partials[0]!;
  const others = active.filter((index) => types[index] !== 'P');
  const whole = others.some((index) => types[index] === 'R') ? 'R' : 'I';
  const reduce = `${reduceAll(op, partial, whole)}, or reduce-scatter it (P -> V), first`;
  if (typing.linear === undefined)
    return refuse(op, `operand ${partial} is partial and the op is not linear in it`, reduce);
  if (typing.linear === 'all') {
    const other = others[0];
    if (other === undefined) return everywhere(op, 'P');
    const dim = dimOf(dims.operands[partial], shardedLabel(op, other)?.name);
    return refuse(
      op,
      `operand ${partial} is partial, operand ${other} is not`,
      types[other] === 'R'
        ? `${reduceAll(op, partial, 'R')} first: before it, operand ${other} would be counted once a rank`
        : `reduce-scatter operand ${partial} on dim ${dim} over ${axis} (P -> V${dim}) first`,
    );
  }
  if (partials.length > 1)
    return refuse(
      op,
      `operands ${partials.join(' and ')} are both partial, and a product of sums is not the sum of products`,
      `${reduceAll(op, partial, 'R')} first`,
    );
  if (!typing.linear.includes(partial))
    return refuse(op, `operand ${partial} is partial and the op is not linear in it`, reduce);
  if (others.some((index) => types[index] !== 'R'))
    return refuse(
      op,
      `operand ${partial} is partial and multiplied by one that varies`,
      `${reduceAll(op, partial, 'R')} first`,
    );
  return everywhere(op, 'P');
}

/** Some operand is sharded over this axis: finds the label and follows it to the results. */
function varyingTypes(op: Case): AxisType[] | TypeProblem {
  const { typing, axis, dims, types } = op;
  const sharded = types.flatMap((type, index) => (varyingDim(type) === undefined ? [] : [index]));
  const first = sharded[0]!;
  const label = shardedLabel(op, first)?.name;
  for (const index of sharded) {
    const found = shardedLabel(op, index);
    const dim = varyingDim(types[index]!);
    if (!found || found.name === '1')
      return refuse(
        op,
        `operand ${index} varies over dim ${dim}, which the op cannot keep apart`,
        `${gather(op, index, 'R')} first`,
      );
    if (found.whole)
      return refuse(
        op,
        `operand ${index} is sharded on dim ${dim}, which the op needs whole`,
        `${gather(op, index, 'R')} first`,
      );
    if (found.name !== label)
      return refuse(
        op,
        `dim ${varyingDim(types[first]!)} of operand ${first} and dim ${dim} of operand ${index} are different dims sharded over one axis`,
        `${gather(op, first, 'R')} or ${gather(op, index, 'R')} first`,
      );
  }
  for (const [index, labels] of dims.operands.entries()) {
    const dim = dimOf(labels, label);
    if (dim >= 0 && varyingDim(types[index]!) !== dim)
      return refuse(
        op,
        `dim ${varyingDim(types[first]!)} of operand ${first} is sharded and dim ${dim} of operand ${index}, which must match it, is whole`,
        `keep this rank's slice of operand ${index} on dim ${dim} over ${axis} (${types[index]} -> V${dim}), or ${gather(op, first, 'R')}, first`,
      );
  }
  if (typing.reduce === 'none' && dims.results.some((labels) => dimOf(labels, label) < 0))
    return refuse(op, `operand ${first} is sharded on a dim that the op reduces`, `${gather(op, first, 'R')} first`);
  return dims.results.map((labels): AxisType => {
    const dim = dimOf(labels, label);
    if (dim >= 0) return `V${dim}`;
    return typing.reduce === 'max' ? 'Pmax' : 'P';
  });
}
