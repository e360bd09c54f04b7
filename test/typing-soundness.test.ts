// The typing of every op, proved: whatever types of operands the rule lets pass on two ranks, the results are what their types say.
//
//   R, I  each rank holds the whole result     V  its slice    P     results add up to the whole
//   O     its own part of the whole            PO parts, with zeros around them, add up to the whole    Pmax  the maximum is the whole
import { expect, test } from 'vitest';
import type { AdamwAttrs } from '../src/ops/finishing.ts';
import { grad } from '../src/ops/grad.ts';
import { opTable } from '../src/ops/op-table.ts';
import { parseDims } from '../src/program/dim-labels.ts';
import { elements, type NdArray, type Op, type Value } from '../src/program/program.ts';
import { resultTypes } from '../src/program/result-types.ts';
import { apply, input, startTrace } from '../src/program/trace.ts';
import { type AxisType, cutOf, dualTypes, type Typing } from '../src/program/types.ts';
import { samples } from './op-samples.ts';
import type { Sample } from './operands.ts';
import { randomNumbers } from './random-numbers.ts';
import { sum } from './simulate.ts';

const ranks = [0, 1] as const;
const random = randomNumbers(13);

const typingOf = (op: Op, { inputs, attrs }: Sample): Typing =>
  typeof op.typing === 'function' ? op.typing(inputs, attrs) : op.typing!;

/** Types that operands can have: cut on even dims, or in parts of their own on a dim of any size. */
function typesOf(op: Op, sample: Sample): AxisType[][] {
  const { operands } = parseDims(typingOf(op, sample).dims);
  return sample.inputs.map(({ shape, dtype }, index) => [
    'R',
    ...(dtype === 'int' ? [] : (['I', 'P'] as const)),
    ...shape.flatMap((size, dim): AxisType[] => {
      const even = size % ranks.length === 0;
      // Of many operands only those dims that some typing could cut: all types of all dims would be millions.
      const label = operands[index]![dim]!;
      if (sample.inputs.length > 4 && (label.whole || label.name === '1')) return [];
      const partial: AxisType[] = dtype === 'float' ? [`PO${dim}`] : [];
      return [...(even ? ([`V${dim}`] as const) : []), ...(even || label.own ? [`O${dim}` as const, ...partial] : [])];
    }),
  ]);
}

/** One of each, in every way; the first changes fastest. */
function* product<T>(lists: readonly (readonly T[])[]): Generator<T[]> {
  const places = lists.map(() => 0);
  for (let done = lists.some(({ length }) => length === 0); !done; ) {
    yield places.map((place, list) => lists[list]![place]!);
    let list = 0;
    for (; list < lists.length; list++) {
      places[list]! += 1;
      if (places[list]! < lists[list]!.length) break;
      places[list] = 0;
    }
    done = list === lists.length;
  }
}

/**
 * All types that the operands can have together. Where they are many thousands: cut on dims of one label only, one at most partial or
 * all that the op is linear in together, and invariant all together, as the rule refuses others (proved on the ops of few operands).
 */
function* choices(op: Op, sample: Sample): Generator<AxisType[]> {
  const lists = typesOf(op, sample);
  if (lists.reduce((count, types) => count * types.length, 1) < 1e5) return yield* product(lists);
  const { dims, linear = [] } = typingOf(op, sample);
  const { operands } = parseDims(dims);
  const together = linear === 'all' ? [] : linear.filter((each) => typeof each !== 'number');
  const isPartial = (type: AxisType) => type.startsWith('P');
  yield lists.map((types): AxisType => (types.includes('I') ? 'I' : 'R'));
  for (const label of new Set(operands.flat().map(({ name }) => name))) {
    const ofLabel = lists.map((types, index) =>
      types.filter((type) => {
        const dim = cutOf(type)?.dim;
        return type !== 'I' && (dim === undefined || operands[index]![dim]!.name === label);
      }),
    );
    const plain = ofLabel.map((types) => types.filter((type) => !isPartial(type)));
    yield* product(plain);
    for (const partials of [...[...plain.keys()].map((at) => [at]), ...together])
      yield* product(plain.map((types, i) => (partials.includes(i) ? ofLabel[i]!.filter(isPartial) : types)));
  }
}

/** What each rank holds of every dim that is cut, as fractions of it. */
type Cutting = readonly (readonly [start: number, end: number])[];
const halves: Cutting = [
  [0, 1 / 2],
  [1 / 2, 1],
];
/** Parts that overlap and leave a gap; parts of different sizes that overlap and leave none. */
const overlapping: readonly Cutting[] = [
  [
    [0, 1 / 2],
    [0, 1 / 2],
  ],
  [
    [0, 1],
    [1 / 2, 1],
  ],
];

/** Parts that go with slices are of what the slices are of; a dim too short for that is held by all. */
const cuttingsOf = (types: readonly AxisType[]): readonly Cutting[] => {
  const cuts = types.map((type) => cutOf(type)?.cut);
  return cuts.includes('V') || !cuts.some((cut) => cut !== undefined) ? [halves] : overlapping;
};

type Range = readonly [start: number, end: number];
const rangeOn = (size: number, [start, end]: Cutting[number]): Range => [
  Math.floor(start * size),
  Math.ceil(end * size),
];

/** Elements of a dim, and the same among zeros. */
function partOf(whole: NdArray, dim: number, [start, end]: Range): NdArray {
  const size = whole.shape[dim]!;
  const inner = elements(whole.shape.slice(dim + 1));
  const kept = (_: number, index: number) => {
    const place = Math.floor(index / inner) % size;
    return place >= start && place < end;
  };
  return { shape: whole.shape.map((n, d) => (d === dim ? end - start : n)), data: whole.data.filter(kept) };
}
function amongZeros(part: NdArray, shape: NdArray['shape'], dim: number, [start, end]: Range): NdArray {
  const data = new Float64Array(elements(shape));
  const inner = elements(shape.slice(dim + 1));
  let at = 0;
  for (const index of data.keys()) {
    const place = Math.floor(index / inner) % shape[dim]!;
    if (place >= start && place < end) data[index] = part.data[at++]!;
  }
  return { shape, data };
}

const minus = (a: NdArray, b: NdArray): NdArray => ({ shape: a.shape, data: a.data.map((v, i) => v - b.data[i]!) });
const noise = ({ shape, data }: NdArray): NdArray => ({ shape, data: data.map(() => 2 * random() - 1) });

/** What a type can say of a whole: parts can only add up to what is zero wherever no rank has a part. */
function sayable<T extends NdArray>(whole: T, type: AxisType, cutting: Cutting): T {
  const found = cutOf(type);
  if (found?.cut !== 'PO') return whole;
  const ranges = cutting.map((each) => rangeOn(whole.shape[found.dim]!, each));
  const held = sum(ranges.map((range) => amongZeros(partOf(whole, found.dim, range), whole.shape, found.dim, range)));
  return { ...whole, data: whole.data.map((value, index) => (held.data[index] === 0 ? 0 : value)) };
}

/** What each rank holds of an operand. */
function spread(whole: NdArray, type: AxisType, cutting: Cutting): NdArray[] {
  const found = cutOf(type);
  if (!found) {
    if (type !== 'P') return ranks.map(() => whole);
    const part = noise(whole);
    return [part, minus(whole, part)];
  }
  const { cut, dim } = found;
  const ranges = cutting.map((each) => rangeOn(whole.shape[dim]!, each));
  const parts = ranges.map((range) => partOf(whole, dim, range));
  if (cut !== 'PO') return parts;
  // Where both hold an element, one rank's share of it is drawn and the other has the rest.
  const [first, second] = ranges as [Range, Range];
  const drawn = noise(parts[0]!);
  const rest = minus(whole, amongZeros(drawn, whole.shape, dim, first));
  const others = partOf(rest, dim, second);
  const alone = minus(rest, amongZeros(others, whole.shape, dim, second));
  const kept = partOf(alone, dim, first);
  return [{ ...drawn, data: drawn.data.map((value, index) => value + kept.data[index]!) }, others];
}

/** The elements of a rank's part that decay. */
function decayedOn(rank: number, { shape }: NdArray, { decayed }: AdamwAttrs, type: AxisType, cutting: Cutting) {
  const [from, to] = cutOf(type) ? rangeOn(shape[0]!, cutting[rank]!) : [0, shape[0]!];
  return decayed
    .map(([start, end]) => [Math.max(0, start - from), Math.min(to, end) - from] as const)
    .filter(([start, end]) => start < end);
}

/** Attributes that say which rows of a vocabulary, or which elements of a vector, a rank holds. */
function attrsOn(
  rank: number,
  { name }: Op,
  { inputs, attrs }: Sample,
  types: readonly AxisType[],
  cutting: Cutting,
): object {
  if (name === 'adamw') return { decayed: decayedOn(rank, inputs[0]!, attrs as AdamwAttrs, types[0]!, cutting) };
  const { offset = 0, valid } = attrs as { offset?: number; valid?: number };
  const operand = { embedding: 1, embeddingGrad: 2, vocabMax: 0, vocabStats: 0, vocabStatsGrad: 1 }[name];
  const dim = name.startsWith('embedding') ? 0 : 2;
  if (operand === undefined || cutOf(types[operand]!)?.dim !== dim) return attrs;
  const [start, end] = rangeOn(inputs[operand]!.shape[dim]!, cutting[rank]!);
  const own = valid === undefined ? {} : { valid: Math.max(0, Math.min(end - start, valid - start)) };
  return { ...attrs, offset: offset + start, ...own };
}

/** Largest difference of what the ranks' results amount to from the whole result. */
function difference(held: readonly NdArray[], whole: NdArray, type: AxisType, cutting: Cutting): number {
  const [first, second] = held as [NdArray, NdArray];
  const maximum = { shape: first.shape, data: first.data.map((value, index) => Math.max(value, second.data[index]!)) };
  const found = cutOf(type);
  const pairs = (): (readonly [NdArray, NdArray])[] => {
    if (type === 'P') return [[sum(held), whole]];
    if (type === 'Pmax') return [[maximum, whole]];
    if (found?.cut !== 'PO') return spread(whole, type, cutting).map((expected, rank) => [held[rank]!, expected]);
    const { dim } = found;
    const ranges = cutting.map((each) => rangeOn(whole.shape[dim]!, each));
    for (const [rank, [start, end]] of ranges.entries()) expect(held[rank]!.shape[dim]).toBe(end - start);
    return [[sum(held.map((part, rank) => amongZeros(part, whole.shape, dim, ranges[rank]!))), whole]];
  };
  return Math.max(
    ...pairs().map(([actual, expected]) => {
      expect(actual.shape).toEqual(expected.shape);
      return Math.max(...actual.data.map((value, index) => Math.abs(value - expected.data[index]!)));
    }),
  );
}

/** Those that change types themselves. */
const ops = [...opTable.values()].filter(({ typing }) => typing !== undefined);
const isEven = ({ label }: Sample) => /even|^\[2,4,6\]$/.test(label);

interface Typed {
  readonly types: readonly AxisType[];
  readonly results: readonly AxisType[];
}

/** By what the rule is told: samples of one op differ in sizes that it does not ask for. */
const known = new Map<string, readonly Typed[]>();

/** All types of operands that the rule lets pass, and the results' types. */
function typingsOf(op: Op, sample: Sample): readonly Typed[] {
  const typing = typingOf(op, sample);
  const dtypes = sample.inputs.map(({ dtype }) => dtype);
  const key = JSON.stringify([op.name, typing, dtypes, typesOf(op, sample)]);
  const before = known.get(key);
  if (before) return before;
  const passing = new Map<string, Typed>();
  for (const types of choices(op, sample)) {
    const operands = types.map((type, index) => ({ dtype: dtypes[index]!, types: { tp: type } }));
    const results = resultTypes(typing, operands, 'tp');
    if (Array.isArray(results)) passing.set(types.join(), { types, results });
  }
  const found = [...passing.values()];
  known.set(key, found);
  return found;
}

/** One typing on two ranks, against the whole. */
function prove(
  op: Op,
  sample: Sample,
  types: readonly AxisType[],
  results: readonly AxisType[],
  cutting: Cutting,
): void {
  const given = sample.inputs.map((operand, index) => sayable(operand, types[index]!, cutting));
  const whole = op.reference!(given, sample.attrs);
  const cut = given.map((operand, index) => spread(operand, types[index]!, cutting));
  const held = ranks.map((rank) => {
    const inputs = cut.map((parts) => parts[rank]!);
    const attrs = attrsOn(rank, op, sample, types, cutting);
    op.shape(
      inputs.map(({ shape }, index) => ({ shape, dtype: sample.inputs[index]!.dtype })),
      attrs,
    );
    return op.reference!(inputs, attrs);
  });
  for (const [index, type] of results.entries()) {
    const parts = held.map((outputs) => outputs[index]!);
    const error = difference(parts, whole[index]!, type, cutting);
    // Rounding of f64 in another order of sums.
    expect(error, `${op.name}(${types.join(', ')}) result ${index} as ${type}`).toBeLessThan(1e-11);
  }
}

/** All typings of an op as text, by its name. */
const tables = new Map<string, readonly string[]>();

/** All typings of an op as text; each proved on two ranks. */
function proved(op: Op): readonly string[] {
  const before = tables.get(op.name);
  if (before) return before;
  const passed = new Set<string>();
  for (const sample of samples[op.name]!.filter(isEven))
    for (const { types, results } of typingsOf(op, sample)) {
      for (const cutting of cuttingsOf(types)) prove(op, sample, types, results, cutting);
      passed.add(`${types.join(', ')} -> ${results.join(', ')}`);
    }
  tables.set(op.name, [...passed]);
  return [...passed];
}

test.each(ops)('$name', (op) => {
  const all = proved(op);
  // Alike on all ranks, and cut somewhere.
  expect(all.some((text) => /^R(, R)* -> R/.test(text))).toBe(true);
  const cuttable = samples[op.name]!.filter(isEven).some((sample) => {
    const { operands } = parseDims(typingOf(op, sample).dims);
    const [first, behind] = [typesOf(op, sample).flat(), operands.flat().some(({ whole }) => !whole)];
    return first.includes('V0') ? behind : operands[0]!.some(({ whole }, dim) => !whole && first.includes(`V${dim}`));
  });
  expect(all.some((text) => text.includes('V'))).toBe(cuttable);
  // What can be cut can be cut into parts, unless it is summed over.
  expect(all.some((text) => / -> .*V/.test(text))).toBe(all.some((text) => /^[^>]*O.* -> .*O/.test(text)));
});

// With what ops.test.ts proves of one rank, this makes every gradient right on every typing: the ops of the gradient are
// sound too, and `grad` refuses any gradient that is not of its value's dual type.
test.each(ops.filter(({ vjp }) => vjp))('the gradient of $name passes the typing wherever the op does', (op) => {
  let typings = 0;
  for (const sample of samples[op.name]!.filter(isEven))
    for (const { types } of typingsOf(op, sample)) {
      const [cutting] = cuttingsOf(types) as [Cutting];
      const trace = startTrace({ tp: 2, cp: 1, ep: 1, dp: 1, pp: 1 }, { tp: 1, cp: 0, ep: 0, dp: 0, pp: 0 });
      const operands = sample.inputs.map((operand, index) => {
        const { shape } = spread(operand, types[index]!, cutting)[1]!;
        return input(trace, shape, { tp: types[index]! }, operand.dtype);
      });
      const [value] = apply(op, operands, attrsOn(1, op, sample, types, cutting)) as [Value];
      const wrt = operands.filter(({ dtype }) => dtype === 'float');
      grad(trace, [{ value, gradient: input(trace, value.shape, dualTypes(value.types)) }], wrt);
      typings += 1;
    }
  expect(typings).toBeGreaterThan(2);
});

test('the whole table of typings', () => {
  const lines = ops.flatMap((op) => proved(op).map((text) => `${op.name}: ${text}`));
  expect(lines.filter((line) => /V|P|O/.test(line)).join('\n')).toMatchInlineSnapshot(`
    "swiglu: V0, V0 -> V0
    swiglu: O0, O0 -> O0
    swiglu: V1, V1 -> V1
    swiglu: O1, O1 -> O1
    swiglu: V2, V2 -> V2
    swiglu: O2, O2 -> O2
    swiglu of counted rows: V2, V2, R -> V2
    swiglu of counted rows: O2, O2, R -> O2
    swigluGrad: P, R, R -> P, P
    swigluGrad: V0, V0, V0 -> V0, V0
    swigluGrad: O0, O0, O0 -> O0, O0
    swigluGrad: PO0, O0, O0 -> PO0, PO0
    swigluGrad: V1, V1, V1 -> V1, V1
    swigluGrad: O1, O1, O1 -> O1, O1
    swigluGrad: PO1, O1, O1 -> PO1, PO1
    swigluGrad: V2, V2, V2 -> V2, V2
    swigluGrad: O2, O2, O2 -> O2, O2
    swigluGrad: PO2, O2, O2 -> PO2, PO2
    swigluGrad of counted rows: P, R, R, R -> P, P
    swigluGrad of counted rows: V2, V2, V2, R -> V2, V2
    swigluGrad of counted rows: O2, O2, O2, R -> O2, O2
    swigluGrad of counted rows: PO2, O2, O2, R -> PO2, PO2
    gelu: V0 -> V0
    gelu: O0 -> O0
    gelu: V1 -> V1
    gelu: O1 -> O1
    gelu: V2 -> V2
    gelu: O2 -> O2
    gelu of counted rows: V2, R -> V2
    gelu of counted rows: O2, R -> O2
    geluGrad: P, R -> P
    geluGrad: V0, V0 -> V0
    geluGrad: O0, O0 -> O0
    geluGrad: PO0, O0 -> PO0
    geluGrad: V1, V1 -> V1
    geluGrad: O1, O1 -> O1
    geluGrad: PO1, O1 -> PO1
    geluGrad: V2, V2 -> V2
    geluGrad: O2, O2 -> O2
    geluGrad: PO2, O2 -> PO2
    geluGrad of counted rows: P, R, R -> P
    geluGrad of counted rows: V2, V2, R -> V2
    geluGrad of counted rows: O2, O2, R -> O2
    geluGrad of counted rows: PO2, O2, R -> PO2
    squaredRelu: V0 -> V0
    squaredRelu: O0 -> O0
    squaredRelu: V1 -> V1
    squaredRelu: O1 -> O1
    squaredRelu: V2 -> V2
    squaredRelu: O2 -> O2
    squaredRelu of counted rows: V2, R -> V2
    squaredRelu of counted rows: O2, R -> O2
    squaredReluGrad: P, R -> P
    squaredReluGrad: V0, V0 -> V0
    squaredReluGrad: O0, O0 -> O0
    squaredReluGrad: PO0, O0 -> PO0
    squaredReluGrad: V1, V1 -> V1
    squaredReluGrad: O1, O1 -> O1
    squaredReluGrad: PO1, O1 -> PO1
    squaredReluGrad: V2, V2 -> V2
    squaredReluGrad: O2, O2 -> O2
    squaredReluGrad: PO2, O2 -> PO2
    squaredReluGrad of counted rows: P, R, R -> P
    squaredReluGrad of counted rows: V2, V2, R -> V2
    squaredReluGrad of counted rows: O2, O2, R -> O2
    squaredReluGrad of counted rows: PO2, O2, R -> PO2
    sigmoid: V0 -> V0
    sigmoid: O0 -> O0
    sigmoid: V1 -> V1
    sigmoid: O1 -> O1
    sigmoid: V2 -> V2
    sigmoid: O2 -> O2
    sigmoidGrad: P, R -> P
    sigmoidGrad: V0, V0 -> V0
    sigmoidGrad: O0, O0 -> O0
    sigmoidGrad: PO0, O0 -> PO0
    sigmoidGrad: V1, V1 -> V1
    sigmoidGrad: O1, O1 -> O1
    sigmoidGrad: PO1, O1 -> PO1
    sigmoidGrad: V2, V2 -> V2
    sigmoidGrad: O2, O2 -> O2
    sigmoidGrad: PO2, O2 -> PO2
    attention: V0, V0, V0, V0, V0, V0, V0 -> V0, V0
    attention: O0, O0, O0, O0, O0, O0, O0 -> O0, O0
    attention: V1, V1, V1, R, R, R, R -> V1, V1
    attention: V1, O1, O1, R, R, R, R -> V1, V1
    attention: O1, O1, O1, R, R, R, R -> O1, O1
    attention: V2, R, R, V1, V1, R, R -> V2, V2
    attention: O2, R, R, O1, O1, R, R -> O2, O2
    attentionGrad: V0, V0, V0, V0, V0, V0, V0, V0, V0, V0 -> V0, V0, V0
    attentionGrad: O0, O0, O0, O0, O0, O0, O0, O0, O0, O0 -> O0, O0, O0
    attentionGrad: R, R, R, R, R, R, R, R, P, P -> P, P, P
    attentionGrad: O0, O0, O0, O0, O0, O0, O0, O0, PO0, PO0 -> PO0, PO0, PO0
    attentionGrad: V1, V1, V1, R, R, R, R, V1, V1, V1 -> V1, V1, V1
    attentionGrad: V1, O1, O1, R, R, R, R, V1, V1, V1 -> V1, PO1, PO1
    attentionGrad: O1, O1, O1, R, R, R, R, O1, PO1, PO1 -> PO1, PO1, PO1
    attentionGrad: V2, R, R, V1, V1, R, R, V2, V2, V2 -> V2, P, P
    attentionGrad: O2, R, R, O1, O1, R, R, O2, PO2, PO2 -> PO2, P, P
    withinCapacity: V0, V0, V0 -> V0
    withinCapacity: O0, O0, O0 -> O0
    chooseTokens: V0, V0, V0 -> V0
    chooseTokens: O0, O0, O0 -> O0
    add: P, P -> P
    add: V0, V0 -> V0
    add: O0, O0 -> O0
    add: PO0, PO0 -> PO0
    add: V1, V1 -> V1
    add: O1, O1 -> O1
    add: PO1, PO1 -> PO1
    add: V2, V2 -> V2
    add: O2, O2 -> O2
    add: PO2, PO2 -> PO2
    add: V0, R -> V0
    add: O0, R -> O0
    add: V1, R -> V1
    add: O1, R -> O1
    add: V2, V0 -> V2
    add: O2, O0 -> O2
    add: PO2, PO0 -> PO2
    add: V1, V0 -> V1
    add: O1, O0 -> O1
    add: PO1, PO0 -> PO1
    add: V2, V1 -> V2
    add: O2, O1 -> O2
    add: PO2, PO1 -> PO2
    add of counted rows: P, P, R -> P
    add of counted rows: V2, V2, R -> V2
    add of counted rows: O2, O2, R -> O2
    add of counted rows: PO2, PO2, R -> PO2
    multiply: P, R -> P
    multiply: R, P -> P
    multiply: V0, V0 -> V0
    multiply: O0, O0 -> O0
    multiply: PO0, O0 -> PO0
    multiply: O0, PO0 -> PO0
    multiply: V1, V1 -> V1
    multiply: O1, O1 -> O1
    multiply: PO1, O1 -> PO1
    multiply: O1, PO1 -> PO1
    multiply: V2, V2 -> V2
    multiply: O2, O2 -> O2
    multiply: PO2, O2 -> PO2
    multiply: O2, PO2 -> PO2
    multiply of counted rows: P, R, R -> P
    multiply of counted rows: R, P, R -> P
    multiply of counted rows: V2, V2, R -> V2
    multiply of counted rows: O2, O2, R -> O2
    multiply of counted rows: PO2, O2, R -> PO2
    multiply of counted rows: O2, PO2, R -> PO2
    scale: P -> P
    scale: V0 -> V0
    scale: O0 -> O0
    scale: PO0 -> PO0
    scale: V1 -> V1
    scale: O1 -> O1
    scale: PO1 -> PO1
    scale: V2 -> V2
    scale: O2 -> O2
    scale: PO2 -> PO2
    offset: V0 -> V0
    offset: O0 -> O0
    offset: V1 -> V1
    offset: O1 -> O1
    offset: V2 -> V2
    offset: O2 -> O2
    sumLeading: P -> P
    sumLeading: V0 -> P
    sumLeading: PO0 -> P
    sumLeading: V1 -> P
    sumLeading: PO1 -> P
    sumLeading: V2 -> V0
    sumLeading: O2 -> O0
    sumLeading: PO2 -> PO0
    sumLeading: V1 -> V0
    sumLeading: O1 -> O0
    sumLeading: PO1 -> PO0
    sumLeading: V2 -> V1
    sumLeading: O2 -> O1
    sumLeading: PO2 -> PO1
    accumulate: P, P -> P
    accumulate: V0, V0 -> V0
    accumulate: O0, O0 -> O0
    accumulate: PO0, PO0 -> PO0
    accumulate: V1, V1 -> V1
    accumulate: O1, O1 -> O1
    accumulate: PO1, PO1 -> PO1
    accumulate: V2, V2 -> V2
    accumulate: O2, O2 -> O2
    accumulate: PO2, PO2 -> PO2
    embedding: V0, R -> V0
    embedding: O0, R -> O0
    embedding: V1, R -> V1
    embedding: O1, R -> O1
    embedding: R, V0 -> P
    embedding: R, V1 -> V2
    embedding: R, O1 -> O2
    embeddingGrad: P, R, R -> P
    embeddingGrad: V0, V0, R -> P
    embeddingGrad: PO0, O0, R -> P
    embeddingGrad: V1, V1, R -> P
    embeddingGrad: PO1, O1, R -> P
    embeddingGrad: R, R, V0 -> V0
    embeddingGrad: R, R, O0 -> O0
    embeddingGrad: V2, R, V1 -> V1
    embeddingGrad: O2, R, O1 -> O1
    embeddingGrad: PO2, R, O1 -> PO1
    sendOrder: R -> R, R, R
    packRows: P, R, R -> P
    packRows: V2, R, R -> V2
    packRows: O2, R, R -> O2
    packRows: PO2, R, R -> PO2
    packRows: V3, R, R -> V3
    packRows: O3, R, R -> O3
    packRows: PO3, R, R -> PO3
    unpackRows: P, R, R -> P
    unpackRows: V2, R, R -> V2
    unpackRows: O2, R, R -> O2
    unpackRows: PO2, R, R -> PO2
    unpackRows: V3, R, R -> V3
    unpackRows: O3, R, R -> O3
    unpackRows: PO3, R, R -> PO3
    splitFeatures: P -> P, P
    splitFeatures: V0 -> V0, V0
    splitFeatures: O0 -> O0, O0
    splitFeatures: PO0 -> PO0, PO0
    splitFeatures: V1 -> V1, V1
    splitFeatures: O1 -> O1, O1
    splitFeatures: PO1 -> PO1, PO1
    splitFeatures: V2 -> V2, V2
    splitFeatures: O2 -> O2, O2
    splitFeatures: PO2 -> PO2, PO2
    splitShared: P -> P, P
    splitShared: V0 -> V0, V0
    splitShared: O0 -> O0, O0
    splitShared: PO0 -> PO0, PO0
    splitShared: V1 -> V1, V1
    splitShared: O1 -> O1, O1
    splitShared: PO1 -> PO1, PO1
    splitShared: V2 -> V2, P
    splitShared: PO2 -> PO2, P
    padFeatures: P -> P
    padFeatures: V0 -> V0
    padFeatures: O0 -> O0
    padFeatures: PO0 -> PO0
    padFeatures: V1 -> V1
    padFeatures: O1 -> O1
    padFeatures: PO1 -> PO1
    padFeatures: V2 -> V2
    padFeatures: O2 -> O2
    padFeatures: PO2 -> PO2
    joinFeatures: P, P -> P
    joinFeatures: V0, V0 -> V0
    joinFeatures: O0, O0 -> O0
    joinFeatures: PO0, PO0 -> PO0
    joinFeatures: V1, V1 -> V1
    joinFeatures: O1, O1 -> O1
    joinFeatures: PO1, PO1 -> PO1
    joinFeatures: V2, V2 -> V2
    joinFeatures: O2, O2 -> O2
    joinFeatures: PO2, PO2 -> PO2
    joinFeatures: V2, R -> V2
    joinFeatures: O2, R -> O2
    sumSquares: V0 -> P
    total: P -> P
    total: P, P, P -> P
    reciprocal: V0 -> V0
    reciprocal: O0 -> O0
    squareRoot: V0 -> V0
    squareRoot: O0 -> O0
    adamw: V0, V0, V0, V0, R, R -> V0, V0, V0
    adamw: O0, O0, O0, O0, R, R -> O0, O0, O0
    groupedLinear: P, R, R -> P
    groupedLinear: V0, V0, R -> V0
    groupedLinear: O0, O0, R -> O0
    groupedLinear: PO0, O0, R -> PO0
    groupedLinear: V1, V1, R -> V1
    groupedLinear: O1, O1, R -> O1
    groupedLinear: PO1, O1, R -> PO1
    groupedLinear: R, V2, R -> P
    groupedLinear: R, R, P -> P
    groupedLinear: R, R, V1 -> V2
    groupedLinear: R, R, O1 -> O2
    groupedLinear: R, R, PO1 -> PO2
    groupedLinear: V2, R, V2 -> P
    groupedLinear: PO2, R, O2 -> P
    groupedLinear: O2, R, PO2 -> P
    groupedLinear: R, V2, R -> V2
    groupedLinear: R, O2, R -> O2
    groupedLinear: R, R, V1 -> V3
    groupedLinear: R, R, O1 -> O3
    groupedLinear: R, R, PO1 -> PO3
    groupedLinear: V2, V2, R -> P
    groupedLinear: PO2, O2, R -> P
    groupedLinear: V3, R, V2 -> P
    groupedLinear: PO3, R, O2 -> P
    groupedLinear: O3, R, PO2 -> P
    groupedLinear: V2, V2, R -> V2
    groupedLinear: O2, O2, R -> O2
    groupedLinear: PO2, O2, R -> PO2
    groupedLinear: V2, R, V1 -> P
    groupedLinear: PO2, R, O1 -> P
    groupedLinear: O2, R, PO1 -> P
    groupedLinear: R, R, V2 -> V2
    groupedLinear: R, R, O2 -> O2
    groupedLinear: R, R, PO2 -> PO2
    groupedLinear: R, R, V2 -> V3
    groupedLinear: R, R, O2 -> O3
    groupedLinear: R, R, PO2 -> PO3
    groupedLinear: V3, R, V1 -> P
    groupedLinear: PO3, R, O1 -> P
    groupedLinear: O3, R, PO1 -> P
    groupedOuterSum: R, R, R -> R
    groupedOuterSum: P, R, R -> P
    groupedOuterSum: V2, R, R -> V1
    groupedOuterSum: O2, R, R -> O1
    groupedOuterSum: PO2, R, R -> PO1
    groupedOuterSum: I, I, R -> I
    groupedOuterSum: R, P, R -> P
    groupedOuterSum: R, V3, R -> V2
    groupedOuterSum: R, O3, R -> O2
    groupedOuterSum: R, PO3, R -> PO2
    groupedOuterSum: V0, V0, V0 -> P
    groupedOuterSum: PO0, O0, O0 -> P
    groupedOuterSum: O0, PO0, O0 -> P
    groupedOuterSum: V1, V1, V1 -> P
    groupedOuterSum: PO1, O1, O1 -> P
    groupedOuterSum: O1, PO1, O1 -> P
    groupedOuterSum: R, V2, V2 -> P
    groupedOuterSum: R, PO2, O2 -> P
    groupedOuterSum: V3, R, R -> V1
    groupedOuterSum: O3, R, R -> O1
    groupedOuterSum: PO3, R, R -> PO1
    groupedOuterSum: R, V2, R -> V2
    groupedOuterSum: R, O2, R -> O2
    groupedOuterSum: R, PO2, R -> PO2
    groupedOuterSum: V2, R, V2 -> P
    groupedOuterSum: PO2, R, O2 -> P
    groupedOuterSum: V2, V2, V2 -> P
    groupedOuterSum: PO2, O2, O2 -> P
    groupedOuterSum: O2, PO2, O2 -> P
    splitHeads: P -> P
    splitHeads: V0 -> V0
    splitHeads: O0 -> O0
    splitHeads: PO0 -> PO0
    splitHeads: V1 -> V1
    splitHeads: O1 -> O1
    splitHeads: PO1 -> PO1
    splitHeads: V2 -> V2
    splitHeads: O2 -> O2
    splitHeads: PO2 -> PO2
    mergeHeads: P -> P
    mergeHeads: V0 -> V0
    mergeHeads: O0 -> O0
    mergeHeads: PO0 -> PO0
    mergeHeads: V1 -> V1
    mergeHeads: O1 -> O1
    mergeHeads: PO1 -> PO1
    mergeHeads: V2 -> V2
    mergeHeads: O2 -> O2
    mergeHeads: PO2 -> PO2
    headsFirst: P -> P
    headsFirst: V0 -> V0
    headsFirst: O0 -> O0
    headsFirst: PO0 -> PO0
    headsFirst: V1 -> V2
    headsFirst: O1 -> O2
    headsFirst: PO1 -> PO2
    headsFirst: V2 -> V1
    headsFirst: O2 -> O1
    headsFirst: PO2 -> PO1
    headsFirst: V3 -> V4
    headsFirst: O3 -> O4
    headsFirst: PO3 -> PO4
    headsLast: P -> P
    headsLast: V0 -> V0
    headsLast: O0 -> O0
    headsLast: PO0 -> PO0
    headsLast: V1 -> V2
    headsLast: O1 -> O2
    headsLast: PO1 -> PO2
    headsLast: V2 -> V1
    headsLast: O2 -> O1
    headsLast: PO2 -> PO1
    headsLast: V4 -> V3
    headsLast: O4 -> O3
    headsLast: PO4 -> PO3
    linear: P, R -> P
    linear: V0, R -> V0
    linear: O0, R -> O0
    linear: PO0, R -> PO0
    linear: V1, R -> V1
    linear: O1, R -> O1
    linear: PO1, R -> PO1
    linear: R, P -> P
    linear: R, V0 -> V2
    linear: R, O0 -> O2
    linear: R, PO0 -> PO2
    linear: V2, V1 -> P
    linear: PO2, O1 -> P
    linear: O2, PO1 -> P
    linear: V2, V0 -> P
    linear: PO2, O0 -> P
    linear: O2, PO0 -> P
    linear: R, V1 -> V2
    linear: R, O1 -> O2
    linear: R, PO1 -> PO2
    outerSum: P, R -> P
    outerSum: V2, R -> V0
    outerSum: O2, R -> O0
    outerSum: PO2, R -> PO0
    outerSum: R, P -> P
    outerSum: V0, V0 -> P
    outerSum: PO0, O0 -> P
    outerSum: O0, PO0 -> P
    outerSum: V1, V1 -> P
    outerSum: PO1, O1 -> P
    outerSum: O1, PO1 -> P
    outerSum: R, V2 -> V1
    outerSum: R, O2 -> O1
    outerSum: R, PO2 -> PO1
    slotCounts: V0 -> V0
    slotCounts: O0 -> O0
    slotCounts: V1 -> P
    slotCounts: V0 -> P
    addAsDoubles: P, P -> P
    addAsDoubles: V0, V0 -> V0
    addAsDoubles: O0, O0 -> O0
    splitBlocks: P -> P
    splitBlocks: V0 -> V1
    splitBlocks: O0 -> O1
    splitBlocks: PO0 -> PO1
    splitBlocks: V2 -> V3
    splitBlocks: O2 -> O3
    splitBlocks: PO2 -> PO3
    splitBlocks: V1 -> V2
    splitBlocks: O1 -> O2
    splitBlocks: PO1 -> PO2
    joinBlocks: P -> P
    joinBlocks: V1 -> V0
    joinBlocks: O1 -> O0
    joinBlocks: PO1 -> PO0
    joinBlocks: V3 -> V2
    joinBlocks: O3 -> O2
    joinBlocks: PO3 -> PO2
    joinBlocks: V2 -> V1
    joinBlocks: O2 -> O1
    joinBlocks: PO2 -> PO1
    tokenLogProb: R -> R
    tokenLogProb: I -> I
    tokenLogProb: V1 -> V0
    tokenLogProb: O1 -> O0
    tokenLogProb: V2 -> V1
    tokenLogProb: O2 -> O1
    tokenLogProbGrad: R, R -> R
    tokenLogProbGrad: P, R -> P
    tokenLogProbGrad: I, I -> I
    tokenLogProbGrad: V0, V1 -> V1
    tokenLogProbGrad: O0, O1 -> O1
    tokenLogProbGrad: PO0, O1 -> PO1
    tokenLogProbGrad: V1, V2 -> V2
    tokenLogProbGrad: O1, O2 -> O2
    tokenLogProbGrad: PO1, O2 -> PO2
    sumByDocument: P, R, R -> P
    sumByDocument: V0, V0, V0 -> V0
    sumByDocument: O0, O0, O0 -> O0
    sumByDocument: PO0, O0, O0 -> PO0
    sumByDocument: V1, V1, V1 -> P
    sumByDocument: PO1, O1, O1 -> P
    takeByDocument: P, R, R -> P
    takeByDocument: V0, V0, V0 -> V0
    takeByDocument: O0, O0, O0 -> O0
    takeByDocument: PO0, O0, O0 -> PO0
    takeByDocument: R, V1, V1 -> V1
    takeByDocument: R, O1, O1 -> O1
    vocabMax: V0 -> V0
    vocabMax: O0 -> O0
    vocabMax: V1 -> V1
    vocabMax: O1 -> O1
    vocabMax: V2 -> Pmax
    vocabStats: V2, R, R -> P
    vocabStats: V0, V0, V0 -> V1
    vocabStats: O0, O0, O0 -> O1
    vocabStats: V1, V1, V1 -> V2
    vocabStats: O1, O1, O1 -> O2
    vocabStatsGrad: P, R, R, R -> P
    vocabStatsGrad: R, V2, R, R -> V2
    vocabStatsGrad: R, O2, R, R -> O2
    vocabStatsGrad: V1, V0, V0, V0 -> V0
    vocabStatsGrad: O1, O0, O0, O0 -> O0
    vocabStatsGrad: PO1, O0, O0, O0 -> PO0
    vocabStatsGrad: V2, V1, V1, V1 -> V1
    vocabStatsGrad: O2, O1, O1, O1 -> O1
    vocabStatsGrad: PO2, O1, O1, O1 -> PO1
    tokenLoss: V1, V0, R -> P
    tokenLoss: V2, V1, R -> P
    tokenLossGrad: P, R, R, R -> P
    tokenLossGrad: R, V1, V0, R -> V1
    tokenLossGrad: R, O1, O0, R -> O1
    tokenLossGrad: R, V2, V1, R -> V2
    tokenLossGrad: R, O2, O1, R -> O2
    rmsNorm: V0, R -> V0, V0
    rmsNorm: O0, R -> O0, O0
    rmsNorm: V1, R -> V1, V1
    rmsNorm: O1, R -> O1, O1
    rmsNormGrad: P, R, R, R -> P, P
    rmsNormGrad: V0, V0, R, V0 -> V0, P
    rmsNormGrad: PO0, O0, R, O0 -> PO0, P
    rmsNormGrad: V1, V1, R, V1 -> V1, P
    rmsNormGrad: PO1, O1, R, O1 -> PO1, P
    layerNorm: V0, R, R -> V0, V0, V0
    layerNorm: O0, R, R -> O0, O0, O0
    layerNorm: V1, R, R -> V1, V1, V1
    layerNorm: O1, R, R -> O1, O1, O1
    layerNormGrad: P, R, R, R, R -> P, P, P
    layerNormGrad: V0, V0, R, V0, V0 -> V0, P, P
    layerNormGrad: PO0, O0, R, O0, O0 -> PO0, P, P
    layerNormGrad: V1, V1, R, V1, V1 -> V1, P, P
    layerNormGrad: PO1, O1, R, O1, O1 -> PO1, P, P
    meanOfSum: R -> R
    meanOfSum: I -> I
    meanOfSum: V0 -> V0
    meanOfSum: O0 -> O0
    outerStep: V0, V0, V0 -> V0, V0, V0
    outerStep: O0, O0, O0 -> O0, O0, O0
    mergeAttention: V0, V0, V0, V0 -> V0, V0
    mergeAttention: O0, O0, O0, O0 -> O0, O0
    mergeAttention: V1, V1, V1, V1 -> V1, V1
    mergeAttention: O1, O1, O1, O1 -> O1, O1
    mergeAttention: V2, V2, V2, V2 -> V2, V2
    mergeAttention: O2, O2, O2, O2 -> O2, O2
    mergeAttention: V3, V3, V3, V3 -> V3, V3
    mergeAttention: O3, O3, O3, O3 -> O3, O3
    shareOfMerged: R, R, R -> R
    shareOfMerged: P, R, R -> P
    shareOfMerged: V4, R, R -> V4
    shareOfMerged: O4, R, R -> O4
    shareOfMerged: PO4, R, R -> PO4
    shareOfMerged: I, I, I -> I
    shareOfMerged: V0, V0, V0 -> V0
    shareOfMerged: O0, O0, O0 -> O0
    shareOfMerged: PO0, O0, O0 -> PO0
    shareOfMerged: V1, V1, V1 -> V1
    shareOfMerged: O1, O1, O1 -> O1
    shareOfMerged: PO1, O1, O1 -> PO1
    shareOfMerged: V2, V2, V2 -> V2
    shareOfMerged: O2, O2, O2 -> O2
    shareOfMerged: PO2, O2, O2 -> PO2
    shareOfMerged: V3, V3, V3 -> V3
    shareOfMerged: O3, O3, O3 -> O3
    shareOfMerged: PO3, O3, O3 -> PO3
    finishAttention: V0, V0 -> V0
    finishAttention: O0, O0 -> O0
    finishAttention: V1, V1 -> V1
    finishAttention: O1, O1 -> O1
    finishAttention: V2, V2 -> V2
    finishAttention: O2, O2 -> O2
    finishAttention: V3, V3 -> V3
    finishAttention: O3, O3 -> O3
    preferenceLoss: V0, V0, V0, R -> P, P
    preferenceLoss: V1, V1, V1, R -> P, P
    preferenceLossGrad: P, R, R, R, R -> P
    preferenceLossGrad: R, V0, V0, V0, R -> V0
    preferenceLossGrad: R, O0, O0, O0, R -> O0
    preferenceLossGrad: R, V1, V1, V1, R -> V1
    preferenceLossGrad: R, O1, O1, O1, R -> O1
    rope: P, R -> P
    rope: V2, R -> V2
    rope: O2, R -> O2
    rope: PO2, R -> PO2
    rope: V0, V0 -> V0
    rope: O0, O0 -> O0
    rope: PO0, O0 -> PO0
    rope: V1, V1 -> V1
    rope: O1, O1 -> O1
    rope: PO1, O1 -> PO1
    route: V0 -> V0, V0
    route: O0 -> O0, O0
    route: V1 -> V1, V1
    route: O1 -> O1, O1
    route: V0, R -> V0, V0
    route: O0, R -> O0, O0
    route: V1, R -> V1, V1
    route: O1, R -> O1, O1
    routeGrad: P, R, R -> P
    routeGrad: V0, V0, V0 -> V0
    routeGrad: O0, O0, O0 -> O0
    routeGrad: PO0, O0, O0 -> PO0
    routeGrad: V1, V1, V1 -> V1
    routeGrad: O1, O1, O1 -> O1
    routeGrad: PO1, O1, O1 -> PO1
    slotWeights: V0, V0 -> V0
    slotWeights: O0, O0 -> O0
    slotWeights: V1, V1 -> V1
    slotWeights: O1, O1 -> O1
    balanceLoss: V1, R -> P
    balanceLoss: V0, V0 -> P
    balanceLossGrad: P, R, R -> P
    balanceLossGrad: R, V1, R -> V1
    balanceLossGrad: R, O1, R -> O1
    balanceLossGrad: R, V0, V0 -> V0
    balanceLossGrad: R, O0, O0 -> O0
    zLoss: V0 -> P
    zLoss: V1 -> P
    zLossGrad: P, R -> P
    zLossGrad: R, V0 -> V0
    zLossGrad: R, O0 -> O0
    zLossGrad: R, V1 -> V1
    zLossGrad: R, O1 -> O1
    scaleRows: P, R -> P
    scaleRows: V3, R -> V3
    scaleRows: O3, R -> O3
    scaleRows: PO3, R -> PO3
    scaleRows: R, P -> P
    scaleRows: V0, V0 -> V0
    scaleRows: O0, O0 -> O0
    scaleRows: PO0, O0 -> PO0
    scaleRows: O0, PO0 -> PO0
    scaleRows: V1, V1 -> V1
    scaleRows: O1, O1 -> O1
    scaleRows: PO1, O1 -> PO1
    scaleRows: O1, PO1 -> PO1
    scaleRows: V2, V2 -> V2
    scaleRows: O2, O2 -> O2
    scaleRows: PO2, O2 -> PO2
    scaleRows: O2, PO2 -> PO2
    scaleRows of counted rows: P, R, R -> P
    scaleRows of counted rows: V3, R, R -> V3
    scaleRows of counted rows: O3, R, R -> O3
    scaleRows of counted rows: PO3, R, R -> PO3
    scaleRows of counted rows: R, P, R -> P
    scaleRows of counted rows: V2, V2, R -> V2
    scaleRows of counted rows: O2, O2, R -> O2
    scaleRows of counted rows: PO2, O2, R -> PO2
    scaleRows of counted rows: O2, PO2, R -> PO2
    rowProduct: R, R -> R
    rowProduct: P, R -> P
    rowProduct: I, I -> I
    rowProduct: R, P -> P
    rowProduct: V0, V0 -> V0
    rowProduct: O0, O0 -> O0
    rowProduct: PO0, O0 -> PO0
    rowProduct: O0, PO0 -> PO0
    rowProduct: V1, V1 -> V1
    rowProduct: O1, O1 -> O1
    rowProduct: PO1, O1 -> PO1
    rowProduct: O1, PO1 -> PO1
    rowProduct: V2, V2 -> V2
    rowProduct: O2, O2 -> O2
    rowProduct: PO2, O2 -> PO2
    rowProduct: O2, PO2 -> PO2
    rowProduct: V3, V3 -> V3
    rowProduct: O3, O3 -> O3
    rowProduct: PO3, O3 -> PO3
    rowProduct: O3, PO3 -> PO3
    rowProduct: V4, V4 -> P
    rowProduct: PO4, O4 -> P
    rowProduct: O4, PO4 -> P
    rowProduct of counted rows: R, R, R -> R
    rowProduct of counted rows: P, R, R -> P
    rowProduct of counted rows: I, I, R -> I
    rowProduct of counted rows: R, P, R -> P
    rowProduct of counted rows: V2, V2, R -> V2
    rowProduct of counted rows: O2, O2, R -> O2
    rowProduct of counted rows: PO2, O2, R -> PO2
    rowProduct of counted rows: O2, PO2, R -> PO2
    rowProduct of counted rows: V3, V3, R -> V3
    rowProduct of counted rows: O3, O3, R -> O3
    rowProduct of counted rows: PO3, O3, R -> PO3
    rowProduct of counted rows: O3, PO3, R -> PO3
    rowProduct of counted rows: V4, V4, R -> P
    rowProduct of counted rows: PO4, O4, R -> P
    rowProduct of counted rows: O4, PO4, R -> P"
  `);
});
