// Every op of the table, proved on its samples: ONNX graph or loop = naive reference, gradient = finite differences, FLOPs = those of the graph.
import { describe, expect, test } from 'vitest';
import { attentionFlops } from '../src/ops/attention.ts';
import { type AttentionAttrs, sizeOf } from '../src/ops/attention-size.ts';
import { grad } from '../src/ops/grad.ts';
import { opTable } from '../src/ops/op-table.ts';
import { kernelFlops, kernelOf } from '../src/program/kernel-of.ts';
import type { NdArray, Op, Program } from '../src/program/program.ts';
import { apply, at, finish, input, startTrace } from '../src/program/trace.ts';
import { samples } from './op-samples.ts';
import type { Operand, Sample } from './operands.ts';
import { randomNumbers } from './random-numbers.ts';
import { runProgram } from './run-graph.ts';

const alone = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };
const origin = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };

const named = <T>(items: readonly T[], letter: string): Record<string, T> =>
  Object.fromEntries(items.map((item, index) => [`${letter}${index}`, item]));

/** The op alone, its operands and results named i0.. and o0... */
function oneOp(op: Op, { inputs, attrs }: Sample, accumulator = false): Program {
  const trace = startTrace(alone, origin);
  const operands = inputs.map(({ shape, dtype }) => input(trace, shape, {}, dtype));
  const results = apply(op, operands, attrs);
  if (!accumulator) return finish(trace, named(operands, 'i'), named(results, 'o'));
  const into = input(trace, results[0]!.shape, {});
  const nodes = trace.nodes.map((node) => ({ ...node, inputs: [...node.inputs, into] }));
  return { ...finish(trace, { ...named(operands, 'i'), into }, named(results, 'o')), nodes };
}

const largest = (data: Float64Array) => data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** A log-sum-exp of nothing is as good as minus infinity: it must be one on both sides, and hides no other difference. */
const isNothing = (value: number) => value < -1e20;

/** Largest difference over the largest magnitude of any result (one of them may be all zeros). */
function relativeError(actual: Readonly<Record<string, NdArray>>, expected: Readonly<Record<string, NdArray>>): number {
  const finite = (data: Float64Array) => data.map((value) => (isNothing(value) ? 0 : value));
  const differences = Object.entries(expected).map(([name, { shape, data }]) => {
    expect(actual[name]?.shape).toEqual(shape);
    expect(Array.from(actual[name]!.data, isNothing)).toEqual(Array.from(data, isNothing));
    const own = finite(actual[name]!.data);
    expect(own.every(Number.isFinite)).toBe(true);
    return largest(finite(data).map((value, index) => value - own[index]!));
  });
  const sizes = Object.values(expected).map(({ data }) => largest(finite(data)));
  return Math.max(...differences) / Math.max(...sizes, 1e-30);
}

// Rounding of f64 and f32 over sums of at most a few hundred terms.
const tolerance = { f64: 1e-12, f32: 1e-5 } as const;

const runnable = [...opTable.values()].filter((op) => ['onnx', 'host', 'kernel', 'blocks'].includes(op.execution.by));

test('every op that this rank runs itself has samples and a reference', () => {
  expect(runnable.filter((op) => !samples[op.name]?.length || !op.reference).map((op) => op.name)).toEqual([]);
  expect(Object.keys(samples).filter((name) => !opTable.has(name))).toEqual([]);
});

/** Of attention the op states what tokens in order cost; the same walk over the sample's own positions and documents gives what they do. */
function flopsOf(op: Op, { inputs, attrs }: Sample): number {
  const kind = { attention: 'forward', attentionGrad: 'backward' }[op.name] as 'forward' | 'backward' | undefined;
  if (kind === undefined) return op.flops?.(inputs, attrs) ?? 0;
  const [q, k, v, ...places] = inputs.slice(0, 7) as Operand[];
  const { batch, ...size } = sizeOf(q!, k!, v);
  const row = (which: number, at: number) => {
    const tokens = places[which]!.shape[1]!;
    return places[which]!.data.subarray(at * tokens, (at + 1) * tokens);
  };
  let [flops, inOrder] = [0, true];
  for (let at = 0; at < batch; at++) {
    const [queries, keys] = [0, 2].map((which) => ({ positions: row(which, at), documents: row(which + 1, at) }));
    flops += attentionFlops(size, attrs as AttentionAttrs, { queries: queries!, keys: keys! })[kind];
    for (const { positions, documents } of [queries!, keys!])
      inOrder &&=
        positions.every((position, i) => position === i) &&
        documents.every((document) => document === queries!.documents[0]);
  }
  if (inOrder) expect(op.flops!(inputs, attrs)).toBe(flops);
  return flops;
}

const cases = runnable.flatMap((op) =>
  (samples[op.name] ?? []).map((sample) => ({ op, sample, name: `${op.name}: ${sample.label}` })),
);

describe('what runs equals the reference, and its FLOPs are those the op claims', () => {
  test.each(cases)('$name', async ({ op, sample }) => {
    const expected = named(op.reference!(sample.inputs, sample.attrs), 'o');
    const program = oneOp(op, sample);
    for (const precision of ['f64', 'f32'] as const) {
      const { outputs, flops } = await runProgram(program, precision, named(sample.inputs, 'i'));
      expect(relativeError(outputs, expected)).toBeLessThan(tolerance[precision]);
      expect(flops).toBe(flopsOf(op, sample));
    }
    // What a cost model is told of is the work that was done.
    const [node] = program.nodes;
    const kernel = kernelOf(node!);
    expect(kernel ? kernelFlops(kernel) : 0).toBe(op.flops?.(sample.inputs, sample.attrs) ?? 0);
    // One result alone: ONNX Runtime then drops and fuses other nodes.
    for (const [name, value] of Object.entries(program.outputs)) {
      const { outputs } = await runProgram(
        { ...program, outputs: { [name]: value } },
        'f64',
        named(sample.inputs, 'i'),
      );
      expect(relativeError({ ...expected, ...outputs }, expected)).toBeLessThan(tolerance.f64);
    }
  });
});

describe('an accumulating op adds onto its accumulator, in its memory', () => {
  const accumulating = cases.filter(({ op }) => op.accumulates !== undefined);
  test.each(accumulating)('$name', async ({ op, sample }) => {
    const [expected] = op.reference!(sample.inputs, sample.attrs);
    const random = randomNumbers(11);
    const before = expected!.data.map(() => random());
    const given = { ...named<NdArray>(sample.inputs, 'i'), into: { shape: expected!.shape, data: before } };
    const { outputs, inputs } = await runProgram(oneOp(op, sample, true), 'f64', given);
    const sum = { shape: expected!.shape, data: expected!.data.map((value, index) => value + before[index]!) };
    expect(relativeError(outputs, { o0: sum })).toBeLessThan(tolerance.f64);
    expect(inputs.into).toEqual(outputs.o0!.data);
  });
});

/** Operands whose gradient is left out: the loss as a whole does not depend on them (proved in loss.test.ts), or they are constants. */
const leftOut: Record<string, readonly number[]> = {
  vocabMax: [0],
  vocabStats: [2],
  tokenLoss: [1, 2],
  sumByDocument: [2],
  balanceLoss: [1],
  route: [1],
  preferenceLoss: [1, 2, 3],
};

/** Weights of some results, by index: the loss is their sum. */
type Weights = ReadonlyMap<number, NdArray>;

/** The gradient of Σ weights · result in every operand, through ONNX Runtime. */
async function gradientOf(op: Op, sample: Sample, weights: Weights): Promise<(NdArray | undefined)[]> {
  const trace = startTrace(alone, origin);
  const operands = sample.inputs.map(({ shape, dtype }) => input(trace, shape, {}, dtype));
  const results = apply(op, operands, sample.attrs);
  const seeds = [...weights.keys()].map((index) => {
    const value = results[index]!;
    return { index, value, gradient: input(trace, value.shape, {}) };
  });
  const gradients = grad(trace, seeds, operands);
  const outputs = Object.fromEntries(gradients.flatMap((g, index) => (g ? [[`g${index}`, g]] : [])));
  const seedInputs = Object.fromEntries(seeds.map(({ index, gradient }) => [`seed${index}`, gradient]));
  const program = finish(trace, { ...named(operands, 'i'), ...seedInputs }, outputs);
  const given = Object.fromEntries([...weights].map(([index, array]) => [`seed${index}`, array]));
  const ran = await runProgram(program, 'f64', { ...named<NdArray>(sample.inputs, 'i'), ...given });
  return gradients.map((_, index) => ran.outputs[`g${index}`]);
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, index) => sum + value * b[index]!, 0);

const differentiable = cases.filter(({ op }) => op.vjp && op.name !== 'ownSlice');

/** The float results of an op whose gradients its vjp takes, and the others. */
function resultsOf(op: Op, { inputs, attrs }: Sample): { taken: number[]; refused: number[] } {
  const floats = op.shape(inputs, attrs).flatMap(({ dtype }, index) => (dtype === 'int' ? [] : [index]));
  const takes = (index: number) => (op.differentiable ?? [0]).includes(index);
  return { taken: floats.filter(takes), refused: floats.filter((index) => !takes(index)) };
}

type Pair = readonly [sum: number, logSumExp: number];

/** Sums and log-sum-exps of partial attention among operands and results, whose gradients are at a held scale (ops/partial-attention.ts). */
const partials: Readonly<Record<string, { readonly inputs: readonly Pair[]; readonly results: readonly Pair[] }>> = {
  attention: { inputs: [], results: [[0, 1]] },
  mergeAttention: {
    inputs: [
      [0, 1],
      [2, 3],
    ],
    results: [[0, 1]],
  },
};

/** Sums that are held at the scale of `from`, as they are at that of `to`. */
function rescaled(
  arrays: readonly NdArray[],
  pairs: readonly Pair[],
  from: readonly NdArray[],
  to: readonly NdArray[],
) {
  const held = [...arrays];
  for (const [sum, lse] of pairs) {
    const { shape, data } = arrays[sum]!;
    const width = shape.at(-1)!;
    const factor = (row: number) => Math.exp(from[lse]!.data[row]! - to[lse]!.data[row]!);
    held[sum] = { shape, data: data.map((value, i) => value * factor(Math.floor(i / width))) };
  }
  return held;
}

/** What an op makes of moved operands; sums of partial attention at the scales that they had before. */
function movedResults(op: Op, { inputs, attrs }: Sample, moved: readonly NdArray[], before: readonly NdArray[]) {
  const held = partials[op.name] ?? { inputs: [], results: [] };
  const made = op.reference!(rescaled(moved, held.inputs, inputs, moved), attrs);
  return rescaled(made, held.results, made, before);
}

/** Gradients of the loss that weighs these results alone, against central differences of the reference. */
async function expectGradients(op: Op, sample: Sample, results: readonly number[]): Promise<void> {
  const random = randomNumbers(7);
  const signs = (size: number) => Float64Array.from({ length: size }, () => 2 * random() - 1);
  const whole = op.reference!(sample.inputs, sample.attrs);
  const weights: Weights = new Map(
    results.map((index) => {
      const { shape, data } = whole[index]!;
      // What stands for minus infinity is a constant, beside which all else would be lost in rounding.
      const kept = signs(data.length).map((sign, i) => (Math.abs(data[i]!) > 1e20 ? 0 : sign));
      return [index, { shape, data: kept }];
    }),
  );
  const gradients = await gradientOf(op, sample, weights);
  const loss = (inputs: readonly NdArray[]) => {
    const made = movedResults(op, sample, inputs, whole);
    return [...weights].reduce((sum, [index, { data }]) => sum + dot(made[index]!.data, data), 0);
  };
  for (const [index, operand] of sample.inputs.entries()) {
    const gradient = gradients[index];
    if (operand.dtype === 'int' || leftOut[op.name]?.includes(index)) {
      expect(gradient).toBeUndefined();
      continue;
    }
    // A result need not depend on every operand (a log-sum-exp not on the values, a held sum on no scale): no gradient is one of zeros.
    const held = gradient?.data ?? new Float64Array(operand.data.length);
    if (results.includes(0) && !partials[op.name]) expect(gradient?.shape).toEqual(operand.shape);
    for (const direction of directions(operand.data.length, signs)) {
      const moved = (by: number) => {
        const data = operand.data.map((value, i) => value + by * direction[i]!);
        return loss(sample.inputs.map((other, i) => (i === index ? { shape: operand.shape, data } : other)));
      };
      // Truncation is about step² = 1e-9 of the loss's third derivative, rounding about 1e-16 / step: both below 1e-7.
      const step = 3e-5;
      const numeric = (moved(step) - moved(-step)) / (2 * step);
      const scale = Math.max(1, largest(held), Math.abs(numeric));
      expect(Math.abs(dot(held, direction) - numeric) / scale).toBeLessThan(1e-7);
    }
  }
}

describe('gradients equal central differences of the reference, of all results together and of each alone', () => {
  test.each(differentiable)('$name', async ({ op, sample }) => {
    const { taken } = resultsOf(op, sample);
    await expectGradients(op, sample, taken);
    if (taken.length > 1) for (const result of taken) await expectGradients(op, sample, [result]);
  });
});

describe('the gradient of a result that the vjp does not take is refused, alone and beside others', () => {
  const refusing = differentiable.filter(({ op, sample }) => resultsOf(op, sample).refused.length > 0);
  test('some do', () => expect(refusing.map(({ op }) => op.name)).toContain('rmsNorm'));
  test.each(refusing)('$name', ({ op, sample }) => {
    const { taken, refused } = resultsOf(op, sample);
    for (const result of refused)
      for (const seeded of [[result], [...taken, result]]) {
        const trace = startTrace(alone, origin);
        const operands = sample.inputs.map(({ shape, dtype }) => input(trace, shape, {}, dtype));
        const results = at(trace, 'block 2', () => apply(op, operands, sample.attrs));
        const seeds = seeded.map((index) => ({
          value: results[index]!,
          gradient: input(trace, results[index]!.shape, {}),
        }));
        expect(() => grad(trace, seeds, operands)).toThrow(
          `${op.name} at block 2 has no gradient for its result ${result}; `,
        );
      }
  });
});

/** Every element alone when they are few; else some elements and some dense directions, of which each sees every element. */
function directions(size: number, signs: (size: number) => Float64Array): Float64Array[] {
  const unit = (at: number) => Float64Array.from({ length: size }, (_, i) => (i === at ? 1 : 0));
  if (size <= 64) return Array.from({ length: size }, (_, at) => unit(at));
  if (size > 500) return [unit(Math.floor(size / 2)), unit(size - 1), signs(size), signs(size)];
  const some = Array.from({ length: 6 }, (_, i) => unit(Math.floor(((i + 0.5) * size) / 6)));
  return [...some, unit(0), unit(size - 1), signs(size), signs(size)];
}
