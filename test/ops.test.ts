// Every op of the table, proved on its samples: ONNX graph or loop = naive reference, gradient = finite differences, FLOPs = those of the graph.
import { describe, expect, test } from 'vitest';
import { grad } from '../src/ops/grad.ts';
import type { NdArray, Op, Program, Value } from '../src/program/program.ts';
import { apply, finish, input, startTrace } from '../src/program/trace.ts';
import { randomNumbers, type Sample, samples } from './op-samples.ts';
import { opTable } from './op-table.ts';
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

/** Largest difference over the largest magnitude of any result (one of them may be all zeros). */
function relativeError(actual: Readonly<Record<string, NdArray>>, expected: Readonly<Record<string, NdArray>>): number {
  const differences = Object.entries(expected).map(([name, { shape, data }]) => {
    expect(actual[name]?.shape).toEqual(shape);
    return largest(data.map((value, index) => value - actual[name]!.data[index]!));
  });
  return Math.max(...differences) / Math.max(...Object.values(expected).map(({ data }) => largest(data)), 1e-30);
}

// Rounding of f64 and f32 over sums of at most a few hundred terms.
const tolerance = { f64: 1e-12, f32: 1e-5 } as const;

const runnable = [...opTable.values()].filter((op) => op.execution.by === 'onnx' || op.execution.by === 'host');

test('every op that this rank runs itself has samples and a reference', () => {
  expect(runnable.filter((op) => !samples[op.name]?.length || !op.reference).map((op) => op.name)).toEqual([]);
  expect(Object.keys(samples).filter((name) => !opTable.has(name))).toEqual([]);
});

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
      expect(flops).toBe(op.flops?.(sample.inputs, sample.attrs) ?? 0);
    }
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

/** Operands whose gradient is left out because the loss as a whole does not depend on them (proved in loss.test.ts). */
const leftOut: Record<string, readonly number[]> = { vocabMax: [0], vocabStats: [2] };

/** The gradient of weights · result 0 in every float operand, through ONNX Runtime. */
async function gradientOf(op: Op, sample: Sample, weights: NdArray): Promise<(NdArray | undefined)[]> {
  const trace = startTrace(alone, origin);
  const operands = sample.inputs.map(({ shape, dtype }) => input(trace, shape, {}, dtype));
  const [value] = apply(op, operands, sample.attrs) as [Value];
  const seed = input(trace, value.shape, {});
  const gradients = grad(trace, [{ value, gradient: seed }], operands);
  const outputs = Object.fromEntries(gradients.flatMap((g, index) => (g ? [[`g${index}`, g]] : [])));
  const program = finish(trace, { ...named(operands, 'i'), seed }, outputs);
  const ran = await runProgram(program, 'f64', { ...named<NdArray>(sample.inputs, 'i'), seed: weights });
  return gradients.map((_, index) => ran.outputs[`g${index}`]);
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, index) => sum + value * b[index]!, 0);

describe('gradients equal central differences of the reference', () => {
  const differentiable = cases.filter(({ op }) => op.vjp && op.name !== 'ownSlice');
  test.each(differentiable)('$name', async ({ op, sample }) => {
    const random = randomNumbers(7);
    const signs = (size: number) => Float64Array.from({ length: size }, () => 2 * random() - 1);
    // Results after the first are for the op's own gradient: no wrapper returns them.
    const [result] = op.reference!(sample.inputs, sample.attrs);
    const weights = { shape: result!.shape, data: signs(result!.data.length) };
    const gradients = await gradientOf(op, sample, weights);
    const loss = (inputs: readonly NdArray[]) => dot(op.reference!(inputs, sample.attrs)[0]!.data, weights.data);
    for (const [index, operand] of sample.inputs.entries()) {
      const gradient = gradients[index];
      if (operand.dtype === 'int' || leftOut[op.name]?.includes(index)) {
        expect(gradient).toBeUndefined();
        continue;
      }
      expect(gradient?.shape).toEqual(operand.shape);
      for (const direction of directions(operand.data.length, signs)) {
        const moved = (by: number) => {
          const data = operand.data.map((value, i) => value + by * direction[i]!);
          return loss(sample.inputs.map((other, i) => (i === index ? { shape: operand.shape, data } : other)));
        };
        // Truncation is about step² = 1e-9 of the loss's third derivative, rounding about 1e-16 / step: both below 1e-7.
        const step = 3e-5;
        const numeric = (moved(step) - moved(-step)) / (2 * step);
        const scale = Math.max(1, largest(gradient!.data), Math.abs(numeric));
        expect(Math.abs(dot(gradient!.data, direction) - numeric) / scale).toBeLessThan(1e-7);
      }
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
