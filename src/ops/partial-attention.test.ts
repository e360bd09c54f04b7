// Attention over parts of the keys, merged, is attention over all of them; so are its gradients.
import { expect, test } from 'vitest';
import { randomNumbers } from '../../test/random-numbers.ts';
import { runProgram } from '../../test/run-graph.ts';
import { oneRank } from '../mesh/layout.ts';
import type { NdArray, Value } from '../program/program.ts';
import { elements } from '../program/program.ts';
import { finish, input, startTrace } from '../program/trace.ts';
import { partialAttention } from './attention.ts';
import { grad } from './grad.ts';
import { finishAttention, mergeAttention, type PartialAttention } from './partial-attention.ts';

const origin = { tp: 0, cp: 0, ep: 0, dp: 0, pp: 0 };
const random = randomNumbers(21);
const numbers = (shape: readonly number[]): NdArray => ({
  shape,
  data: Float64Array.from({ length: elements(shape) }, () => 2 * random() - 1),
});
const whole = (data: readonly number[]): NdArray => ({ shape: [1, data.length], data: Float64Array.from(data) });

const tokens = 10;
const half = tokens / 2;
const attrs = { scale: 0.6, block: 3 };
const query = [1, 2, tokens, 2, 4];
const key = [1, 2, half, 1, 4];

/** Both halves of the keys: queries of the first half see nothing of the second one. */
const values: Record<string, NdArray> = {
  q: numbers(query),
  k1: numbers(key),
  k2: numbers(key),
  v1: numbers(key),
  v2: numbers(key),
  positions: whole(Array.from({ length: tokens }, (_, i) => i)),
  positions1: whole(Array.from({ length: half }, (_, i) => i)),
  positions2: whole(Array.from({ length: half }, (_, i) => half + i)),
  documents: whole(Array.from({ length: tokens }, () => 0)),
  documents1: whole(Array.from({ length: half }, () => 0)),
  dOut: numbers(query),
  dLse: numbers([1, 2, tokens, 2, 1]),
};

/** Both halves of [1, 2, 5, 1, 4] side by side. */
const joined = (a: NdArray, b: NdArray): NdArray => {
  const width = elements(key.slice(2));
  const data = new Float64Array(2 * a.data.length);
  for (const head of [0, 1])
    for (const [place, { data: part }] of [a, b].entries())
      data.set(part.subarray(head * width, (head + 1) * width), (2 * head + place) * width);
  return { shape: [1, 2, tokens, 1, 4], data };
};

type Inputs = Readonly<Record<string, Value>>;
async function run(
  given: Readonly<Record<string, NdArray>>,
  floats: readonly string[],
  write: (all: Inputs) => PartialAttention,
) {
  const trace = startTrace(oneRank, origin);
  const inputs = Object.fromEntries(
    Object.entries(given).map(([name, { shape }]) => [
      name,
      input(trace, shape, {}, /^[pd]o[sc]/.test(name) ? 'int' : 'float'),
    ]),
  );
  const attended = write(inputs);
  const { logSumExp } = attended;
  const out = finishAttention(attended);
  const seeds = [
    { value: out, gradient: inputs.dOut! },
    { value: logSumExp, gradient: inputs.dLse! },
  ];
  const gradients = grad(
    trace,
    seeds,
    floats.map((name) => inputs[name]!),
  );
  const outputs = Object.fromEntries(floats.map((name, index) => [name, gradients[index]!]));
  return (await runProgram(finish(trace, inputs, { out, logSumExp, ...outputs }), 'f64', given)).outputs;
}

test('two halves merged equal the whole, and so do all gradients, that of the log-sum-exp among them', async () => {
  const parts = await run(values, ['q', 'k1', 'k2', 'v1', 'v2'], (all) => {
    const queries = { positions: all.positions!, documents: all.documents! };
    const over = (which: 1 | 2) => {
      const keys = { positions: all[`positions${which}`]!, documents: all.documents1! };
      return partialAttention(all.q!, all[`k${which}`]!, all[`v${which}`]!, { queries, keys }, attrs);
    };
    return mergeAttention(over(1), over(2));
  });
  const { k1, k2, v1, v2, ...rest } = values;
  const once = await run({ ...rest, k: joined(k1!, k2!), v: joined(v1!, v2!) }, ['q', 'k', 'v'], (all) => {
    const places = { positions: all.positions!, documents: all.documents! };
    return partialAttention(all.q!, all.k!, all.v!, { queries: places, keys: places }, { scale: 0.6 });
  });
  const pairs = [
    [parts.out!, once.out!],
    [parts.logSumExp!, once.logSumExp!],
    [parts.q!, once.q!],
    [joined(parts.k1!, parts.k2!), once.k!],
    [joined(parts.v1!, parts.v2!), once.v!],
  ] as const;
  // Sums of ten numbers of about one, in another order.
  for (const [merged, direct] of pairs)
    expect(Math.max(...merged.data.map((value, i) => Math.abs(value - direct.data[i]!)))).toBeLessThan(1e-13);
  expect(Math.max(...once.k!.data.map(Math.abs))).toBeGreaterThan(0.1);
});
