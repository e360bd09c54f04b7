// Rows of served requests as scenarios: what they say, what their sources say of them, and why others are none.
import { expect, test } from 'vitest';
import { type ServingCase, servingCase } from './serving-row.ts';
import type { Row } from './table.ts';

const benchmarked: Row = {
  engine: 'TensorRT-LLM (PyTorch backend)',
  model: 'Qwen3-30B-A3B',
  gpu: 'H100',
  parallelism: 'TP4',
  precision: 'FP8',
  isl: '128',
  osl: '4096',
  metric: 'output tokens/s per GPU',
  value: '100',
  load: 'max load / offline throughput (trtllm-bench)',
};
const latency: Row = {
  backend: 'vllm',
  model_path: 'meta-llama/Llama-3.1-8B',
  system: 'h100_sxm',
  precision: 'fp8',
  mode: 'agg',
  isl: '2000',
  osl: '101',
  concurrency: '8',
  tp_size: '2',
  silicon_ttft_ms: '50',
  silicon_tpot_ms: '10',
};
const without = (row: Row, column: string): Row =>
  Object.fromEntries(Object.entries(row).filter(([name]) => name !== column));
const caseOf = (kind: 'latencies' | 'throughputs', row: Row): ServingCase => {
  const found = servingCase(kind, row);
  if (typeof found === 'string') throw new Error(found);
  return found;
};

test('a benchmark of a mixture gives every rank requests of its own; of others it splits them', () => {
  const { scenario, measured } = caseOf('throughputs', benchmarked);
  const layout = { tp: 1, dp: 4, ep: 4, cp: 1, pp: 1 };
  expect(scenario.deployment).toEqual({ kind: 'aggregated', pool: { layout, instances: 1 } });
  expect(measured).toEqual({ throughput: 400 });
  const dense = caseOf('throughputs', { ...benchmarked, model: 'Llama 3.3 70B' });
  expect(dense.scenario.deployment).toMatchObject({ pool: { layout: { tp: 4, dp: 1, ep: 1 } } });
  const elsewhere = caseOf('throughputs', { ...benchmarked, load: 'offline' });
  expect(elsewhere.scenario.deployment).toMatchObject({ pool: { layout: { tp: 4, dp: 1 } } });
});

test.each([
  [benchmarked, 1500],
  [{ ...benchmarked, osl: '128' }, 30_000],
  [{ ...benchmarked, isl: '20000', osl: '2000' }, 1000],
  [{ ...benchmarked, load: '', batch: 'max_num_seqs=500; num_prompts=700' }, 700],
])('an offline run queues its requests at once', (row, requests) => {
  const { load } = caseOf('throughputs', row).scenario;
  expect(load.kind === 'recorded' && load.arrivals.length).toBe(requests);
  expect(load.kind === 'recorded' && load.arrivals.every(({ seconds }) => seconds === 0)).toBe(true);
});

test('of an offline run whose requests are not known there are as many as are useful', () => {
  expect(caseOf('throughputs', { ...benchmarked, load: 'offline' }).scenario.load).toEqual({ kind: 'saturated' });
});

test.each<[Row, object]>([
  [benchmarked, { weights: 'fp8', cache: 'bf16' }],
  [
    { ...benchmarked, model: 'Llama 3.3 70B' },
    { weights: 'fp8', cache: 'fp8' },
  ],
  [
    { ...benchmarked, gpu: 'B200', precision: 'FP4' },
    { weights: 'nvfp4', attentionWeights: 'bf16', cache: 'fp8' },
  ],
  [
    { ...benchmarked, model: 'GPT-OSS 20B', parallelism: 'TP1' },
    { weights: 'bf16', experts: 'mxfp4', cache: 'bf16' },
  ],
  [
    { ...benchmarked, engine: 'vLLM', model: 'Llama 3.1 70B FP8-KV', gpu: 'MI300X' },
    { weights: 'fp8', cache: 'fp8' },
  ],
])('formats are those of the checkpoint and of its engine', (row, formats) => {
  expect(caseOf('throughputs', row).scenario.formats).toMatchObject(formats);
});

test('a row of latencies measures throughput too, by how many are under way and for how long', () => {
  const { measured, scenario, figure } = caseOf('latencies', latency);
  expect(figure).toBe('timePerOutputToken');
  expect(scenario.load).toEqual({ kind: 'closed', concurrency: 8 });
  // Eight requests of 50 ms and 100 times 10 ms, each of 101 tokens.
  expect(measured).toEqual({
    timeToFirstToken: 0.05,
    timePerOutputToken: 0.01,
    throughput: expect.closeTo((8 * 101) / 1.05, 9),
  });
});

test.each<['latencies' | 'throughputs', Row, string]>([
  ['latencies', without(latency, 'concurrency'), 'it does not say how many requests are under way'],
  ['latencies', { ...latency, silicon_tpot_ms: '0' }, 'it measures no time of an output token'],
  ['latencies', { ...latency, system: 'q100' }, 'q100 is not in the catalogue'],
  ['latencies', { ...latency, mode: 'disagg' }, 'it does not say how many instances read prompts, and how many write'],
  ['throughputs', { ...benchmarked, model: 'Mystery 3B' }, 'the sizes of Mystery 3B are not known'],
  ['throughputs', { ...benchmarked, engine: 'FasterTransformer' }, 'FasterTransformer is not an engine that is known'],
  ['throughputs', { ...benchmarked, metric: 'joy' }, 'what it measures (joy) is not predicted'],
])('%s: what is not complete is none', (kind, row, why) => {
  expect(servingCase(kind, row)).toBe(why);
});

test.each<['latencies' | 'throughputs', Row, string]>([
  ['throughputs', { ...benchmarked, value: '1e300' }, 'its value is 1e300'],
  ['throughputs', { ...benchmarked, value: '0' }, 'its value is 0'],
  ['latencies', { ...latency, silicon_tpot_ms: '-1' }, 'its silicon_tpot_ms is -1'],
])('%s: what nobody can have measured is none', (kind, row, why) => {
  expect(servingCase(kind, row)).toContain(why);
});
