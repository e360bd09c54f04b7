// The typing of every op, proved: whatever types of operands the rule lets pass on two ranks, the results are what their types say.
//
//   R, I  each rank holds the whole result     V  its slice     P  results add up to the whole     Pmax  their maximum is the whole
import { expect, test } from 'vitest';
import { collectiveOps } from '../src/ops/collectives.ts';
import { grad } from '../src/ops/grad.ts';
import type { NdArray, Op, Value } from '../src/program/program.ts';
import { resultTypes } from '../src/program/result-types.ts';
import { apply, input, startTrace } from '../src/program/trace.ts';
import { type AxisType, dualTypes, varyingDim } from '../src/program/types.ts';
import { randomNumbers, type Sample, samples } from './op-samples.ts';
import { opTable } from './op-table.ts';
import { share, sum } from './simulate.ts';

const ranks = [0, 1] as const;
const random = randomNumbers(13);

/** Types that an operand of even dims can have. */
const typesOf = ({ shape, dtype }: Sample['inputs'][number]): AxisType[] => [
  'R',
  ...(dtype === 'float' ? (['I', 'P'] as const) : []),
  ...shape.flatMap((size, dim): AxisType[] => (size % ranks.length === 0 ? [`V${dim}`] : [])),
];

function* choices(sample: Sample, from = 0): Generator<AxisType[]> {
  if (from === sample.inputs.length) return yield [];
  for (const rest of choices(sample, from + 1)) for (const type of typesOf(sample.inputs[from]!)) yield [type, ...rest];
}

/** What each rank holds of an operand. */
function spread(whole: NdArray, type: AxisType): NdArray[] {
  const dim = varyingDim(type);
  if (dim !== undefined) return ranks.map((rank) => share(whole, dim, rank, ranks.length));
  if (type !== 'P') return ranks.map(() => whole);
  const part = { shape: whole.shape, data: whole.data.map(() => 2 * random() - 1) };
  return [part, { shape: whole.shape, data: whole.data.map((value, index) => value - part.data[index]!) }];
}

/** Attributes that say which rows of a vocabulary a rank holds. */
function attrsOn(rank: number, { name }: Op, { inputs, attrs }: Sample, types: readonly AxisType[]): object {
  const { offset = 0, valid } = attrs as { offset?: number; valid?: number };
  const operand = { embedding: 1, embeddingGrad: 2, vocabMax: 0, vocabStats: 0, vocabStatsGrad: 1 }[name];
  const dim = name.startsWith('embedding') ? 0 : 2;
  if (operand === undefined || types[operand] !== `V${dim}`) return attrs;
  const rows = inputs[operand]!.shape[dim]! / ranks.length;
  const own = valid === undefined ? {} : { valid: Math.max(0, Math.min(rows, valid - rank * rows)) };
  return { ...attrs, offset: offset + rank * rows, ...own };
}

/** Largest difference of what the ranks' results amount to from the whole result. */
function difference(held: readonly NdArray[], whole: NdArray, type: AxisType): number {
  const [first, second] = held as [NdArray, NdArray];
  const maximum = { shape: first.shape, data: first.data.map((value, index) => Math.max(value, second.data[index]!)) };
  const pairs =
    type === 'P'
      ? [[sum(held), whole] as const]
      : type === 'Pmax'
        ? [[maximum, whole] as const]
        : spread(whole, type).map((expected, rank) => [held[rank]!, expected] as const);
  return Math.max(
    ...pairs.map(([actual, expected]) => {
      expect(actual.shape).toEqual(expected.shape);
      return Math.max(...actual.data.map((value, index) => Math.abs(value - expected.data[index]!)));
    }),
  );
}

const own = new Set(Object.values(collectiveOps).map(({ name }) => name));
const ops = [...opTable.values()].filter(({ name }) => !own.has(name));
const isEven = ({ label }: Sample) => /even|^\[2,4,6\]$/.test(label);

/** All types of operands that the rule lets pass, and the results' types. */
function typingsOf(op: Op, sample: Sample): { types: AxisType[]; results: AxisType[] }[] {
  const typing = typeof op.typing === 'function' ? op.typing(sample.inputs, sample.attrs) : op.typing!;
  return [...choices(sample)].flatMap((types) => {
    const operands = sample.inputs.map(({ dtype }, index) => ({ dtype, types: { tp: types[index]! } }));
    const results = resultTypes(typing, operands, 'tp');
    return Array.isArray(results) ? [{ types, results }] : [];
  });
}

/** All typings of an op as text; each proved on two ranks. */
function proved(op: Op): string[] {
  const passed = new Set<string>();
  for (const sample of samples[op.name]!.filter(isEven)) {
    const whole = op.reference!(sample.inputs, sample.attrs);
    for (const { types, results } of typingsOf(op, sample)) {
      const cut = sample.inputs.map((operand, index) => spread(operand, types[index]!));
      const held = ranks.map((rank) => {
        const inputs = cut.map((parts) => parts[rank]!);
        const attrs = attrsOn(rank, op, sample, types);
        op.shape(
          inputs.map(({ shape }, index) => ({ shape, dtype: sample.inputs[index]!.dtype })),
          attrs,
        );
        return op.reference!(inputs, attrs);
      });
      for (const [index, type] of results.entries()) {
        const error = difference(
          held.map((outputs) => outputs[index]!),
          whole[index]!,
          type,
        );
        // Rounding of f64 in another order of sums.
        expect(error, `${op.name}(${types.join(', ')}) result ${index} as ${type}`).toBeLessThan(1e-11);
      }
      passed.add(`${types.join(', ')} -> ${results.join(', ')}`);
    }
  }
  return [...passed];
}

test.each(ops)('$name', (op) => {
  const all = proved(op);
  // Alike on all ranks, and cut somewhere.
  expect(all.some((text) => /^R(, R)* -> R/.test(text))).toBe(true);
  expect(all.some((text) => text.includes('V'))).toBe(true);
});

// With what table.test.ts proves of one rank, this makes every gradient right on every typing: the ops of the gradient are
// sound too, and `grad` refuses any gradient that is not of its value's dual type.
test.each(ops.filter(({ vjp }) => vjp))('the gradient of $name passes the typing wherever the op does', (op) => {
  let typings = 0;
  for (const sample of samples[op.name]!.filter(isEven))
    for (const { types } of typingsOf(op, sample)) {
      const trace = startTrace({ tp: 2, cp: 1, ep: 1, dp: 1, pp: 1 }, { tp: 1, cp: 0, ep: 0, dp: 0, pp: 0 });
      const operands = sample.inputs.map((operand, index) => {
        const { shape } = spread(operand, types[index]!)[1]!;
        return input(trace, shape, { tp: types[index]! }, operand.dtype);
      });
      const [value] = apply(op, operands, attrsOn(1, op, sample, types)) as [Value];
      const wrt = operands.filter(({ dtype }) => dtype === 'float');
      grad(trace, [{ value, gradient: input(trace, value.shape, dualTypes(value.types)) }], wrt);
      typings += 1;
    }
  expect(typings).toBeGreaterThan(2);
});

test('the whole table of typings', () => {
  const lines = ops.flatMap((op) => proved(op).map((text) => `${op.name}: ${text}`));
  expect(lines.filter((line) => /V|P/.test(line)).join('\n')).toMatchInlineSnapshot(`
    "swiglu: V0, V0 -> V0
    swiglu: V1, V1 -> V1
    swiglu: V2, V2 -> V2
    swigluGrad: P, R, R -> P, P
    swigluGrad: V0, V0, V0 -> V0, V0
    swigluGrad: V1, V1, V1 -> V1, V1
    swigluGrad: V2, V2, V2 -> V2, V2
    gelu: V0 -> V0
    gelu: V1 -> V1
    gelu: V2 -> V2
    geluGrad: P, R -> P
    geluGrad: V0, V0 -> V0
    geluGrad: V1, V1 -> V1
    geluGrad: V2, V2 -> V2
    attention: V0, V0, V0 -> V0, V0
    attention: V2, V2, V2 -> V2, V1
    attentionGrad: P, R, R, R, R, R -> P, P, P
    attentionGrad: V0, V0, V0, V0, V0, V0 -> V0, V0, V0
    attentionGrad: V2, V2, V2, V2, V2, V1 -> V2, V2, V2
    add: P, P -> P
    add: V0, V0 -> V0
    add: V1, V1 -> V1
    add: V2, V2 -> V2
    add: V0, R -> V0
    add: V1, R -> V1
    add: V2, V0 -> V2
    add: V1, V0 -> V1
    add: V2, V1 -> V2
    multiply: P, R -> P
    multiply: R, P -> P
    multiply: V0, V0 -> V0
    multiply: V1, V1 -> V1
    multiply: V2, V2 -> V2
    scale: P -> P
    scale: V0 -> V0
    scale: V1 -> V1
    scale: V2 -> V2
    offset: V0 -> V0
    offset: V1 -> V1
    offset: V2 -> V2
    sumLeading: P -> P
    sumLeading: V0 -> P
    sumLeading: V1 -> P
    sumLeading: V2 -> V0
    sumLeading: V1 -> V0
    sumLeading: V2 -> V1
    accumulate: P, P -> P
    accumulate: V0, V0 -> V0
    accumulate: V1, V1 -> V1
    accumulate: V2, V2 -> V2
    embedding: V0, R -> V0
    embedding: V1, R -> V1
    embedding: R, V0 -> P
    embedding: R, V1 -> V2
    embeddingGrad: P, R, R -> P
    embeddingGrad: V0, V0, R -> P
    embeddingGrad: V1, V1, R -> P
    embeddingGrad: R, R, V0 -> V0
    embeddingGrad: V2, R, V1 -> V1
    splitHeads: P -> P
    splitHeads: V0 -> V0
    splitHeads: V1 -> V1
    splitHeads: V2 -> V2
    mergeHeads: P -> P
    mergeHeads: V0 -> V0
    mergeHeads: V1 -> V1
    mergeHeads: V2 -> V2
    rope: P -> P
    rope: V0 -> V0
    rope: V2 -> V2
    linear: P, R -> P
    linear: V0, R -> V0
    linear: V1, R -> V1
    linear: R, P -> P
    linear: R, V0 -> V2
    linear: V2, V1 -> P
    linear: V2, V0 -> P
    linear: R, V1 -> V2
    outerSum: P, R -> P
    outerSum: V2, R -> V0
    outerSum: R, P -> P
    outerSum: V0, V0 -> P
    outerSum: V1, V1 -> P
    outerSum: R, V2 -> V1
    vocabMax: V0 -> V0
    vocabMax: V1 -> V1
    vocabMax: V2 -> Pmax
    vocabStats: V2, R, R -> P
    vocabStats: V0, V0, V0 -> V1
    vocabStats: V1, V1, V1 -> V2
    vocabStatsGrad: P, R, R, R -> P
    vocabStatsGrad: R, V2, R, R -> V2
    vocabStatsGrad: V1, V0, V0, V0 -> V0
    vocabStatsGrad: V2, V1, V1, V1 -> V1
    tokenLoss: V1 -> P
    tokenLoss: V2 -> P
    tokenLossGrad: P, R -> P
    tokenLossGrad: R, V1 -> V1
    tokenLossGrad: R, V2 -> V2
    rmsNorm: V0, R -> V0, V0
    rmsNorm: V1, R -> V1, V1
    rmsNormGrad: P, R, R, R -> P, P
    rmsNormGrad: V0, V0, R, V0 -> V0, P
    rmsNormGrad: V1, V1, R, V1 -> V1, P
    layerNorm: V0, R, R -> V0, V0, V0
    layerNorm: V1, R, R -> V1, V1, V1
    layerNormGrad: P, R, R, R, R -> P, P, P
    layerNormGrad: V0, V0, R, V0, V0 -> V0, P, P
    layerNormGrad: V1, V1, R, V1, V1 -> V1, P, P
    firstRows: P -> P
    firstRows: V1 -> V1
    firstRows: V2 -> V2
    padRows: P -> P
    padRows: V1 -> V1
    padRows: V2 -> V2"
  `);
});
