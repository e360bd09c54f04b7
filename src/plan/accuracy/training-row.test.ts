import { expect, test } from 'vitest';
import { printLayout } from '../../mesh/layout.ts';
import { trainingFlopsPerToken } from '../../model/weights.ts';
import { countedFlops } from './measured.ts';
import type { Row } from './table.ts';
import { type TrainingCase, trainingCase } from './training-row.ts';

/** Narayanan et al., 2021, table 1: GPT of 7.5 billion parameters. */
const gpt: Row = {
  gpu: 'A100-SXM4-80GB',
  interconnect: '8x HDR 200Gb/s IB',
  source_group: 'Megatron-LM SC21',
  num_gpus: '128',
  model: 'GPT 7.5B',
  params_b: '7.5',
  layers: '36',
  hidden: '4096',
  heads: '32',
  vocab: '51200',
  seq_len: '2048',
  precision: 'fp16',
  tp: '4',
  pp: '1',
  dp: '32',
  micro_batch: '16',
  global_batch: '512',
  recompute: 'full (uniform)',
  tflops_per_gpu: '142',
};

function caseOf(row: Row): TrainingCase {
  const found = trainingCase(row);
  if (typeof found === 'string') throw new Error(found);
  return found;
}

test('a row is a scenario and what was measured', () => {
  const { scenarios, measured, assumed } = caseOf(gpt);
  expect(scenarios).toHaveLength(1);
  const { config, layout, cluster, formats, software, microBatch, microbatches } = scenarios[0]!;
  expect(config).toMatchObject({ layers: 36, hiddenSize: 4096, intermediateSize: 16384, kvHeads: 32, tiedHead: true });
  expect(printLayout(layout)).toBe('tp=4,dp=32,recompute=full');
  expect(cluster.name).toBe('128xa100-80-sxm@8xinfiniband-hdr');
  expect([microBatch, microbatches]).toEqual([16, 1]);
  expect(formats.products).toBe('fp16');
  expect(software.attention).toBe('scores');
  expect(assumed).toEqual([]);
  // The paper's 96·B·s·l·h²·(1 + s/6h + V/16lh), equation 3, over its rate.
  const flops = 96 * 512 * 2048 * 36 * 4096 ** 2 * (1 + 2048 / (6 * 4096) + 51200 / (16 * 36 * 4096));
  expect(measured.stepSeconds! / (flops / 142e12 / 128)).toBeCloseTo(1, 12);
});

test('rates that count layers alone are as many seconds as were printed beside them', () => {
  // Chronicles of tr11, "Best TFLOPs", fp16: 108.47 TFLOPs are 769.99 s.
  const row: Row = {
    gpu: 'A100-SXM4-80GB',
    source_group: 'BigScience BLOOM prequel',
    num_gpus: '8',
    model: 'GPT 20B',
    layers: '8',
    hidden: '14400',
    heads: '32',
    ffn: '57600',
    vocab: '250000',
    seq_len: '2048',
    precision: 'fp16',
    tp: '8',
    pp: '1',
    dp: '1',
    micro_batch: '1',
    global_batch: '2048',
    recompute: 'full activation checkpointing',
    extra: 'reported TFLOPs/GPU (hardware, incl. recompute)=108.47; date=02-17',
    tflops_per_gpu: '108.47',
  };
  const { stepSeconds } = caseOf(row).measured;
  expect(Math.abs(stepSeconds! / 769.99 - 1)).toBeLessThan(1e-3);
});

test('seconds of a step from whatever is printed', () => {
  const { tflops_per_gpu: _, ...bare } = gpt;
  const secondsOf = (columns: Row) => caseOf({ ...bare, ...columns }).measured.stepSeconds!;
  expect(secondsOf({ iter_time_s: '7.25', tokens_per_s_per_gpu: '1' })).toBe(7.25);
  expect(secondsOf({ tokens_per_s_per_gpu: '1024' })).toBeCloseTo((512 * 2048) / 1024 / 128, 12);
  expect(secondsOf({ samples_per_s: '64' })).toBeCloseTo(8, 12);
  const { config } = caseOf({ ...bare, iter_time_s: '1' }).scenarios[0]!;
  // Attention without regard to its mask is twice that with it.
  const causal = trainingFlopsPerToken(config, 2048);
  const scores = 6 * 36 * 4096 * 2048;
  expect(countedFlops(config, 2048, false)).toBe(causal + scores);
  expect(secondsOf({ mfu_pct: '40' })).toBeCloseTo((512 * 2048 * (causal + scores)) / (0.4 * 312e12 * 128), 12);
});

test.each<[string, Row, string]>([
  [
    'interleaved, the ends counted',
    { layers: '126', tp: '8', pp: '16', vpp: '4', dp: '1', global_batch: '64', micro_batch: '1' },
    'tp=8,pp=16,recompute=full,virtual=4,stages=',
  ],
  ['experts over data ranks', { ep: '8' }, 'tp=4,ep=8,dp=4,recompute=full'],
  [
    'context parallelism',
    { cp: '2', dp: '16', source_group: 'TorchTitan', sharding: 'FSDP2' },
    'tp=4,cp=2,dp=16,cpMode=gather,sp,zero=3,recompute=full',
  ],
  ['every second layer', { layers: '3', recompute: 'selective layer AC' }, 'tp=4,dp=32,recompute=full:0+2'],
])('a layout: %s', (_, columns, text) => {
  const layout = printLayout(caseOf({ ...gpt, ...columns }).scenarios[0]!.layout);
  expect(text.endsWith('=') ? layout.slice(0, text.length) : layout).toBe(text);
});

test('the first and the last stage have a layer less where that makes stages alike', () => {
  const { layout } = caseOf({ ...gpt, layers: '22', tp: '1', pp: '8', dp: '16', micro_batch: '1' }).scenarios[0]!;
  expect(layout.stages).toEqual([2, 3, 3, 3, 3, 3, 3, 2]);
});

test.each([
  // Layers a stage, and the chunks that divide them nearest to four.
  ['96', '8', 4],
  ['84', '2', 3],
  ['112', '16', 7],
])('%s layers on %s stages are in %i chunks each, where a row does not say in how many', (layers, pp, chunks) => {
  const columns = { layers, tp: '1', pp, dp: String(128 / Number(pp)), micro_batch: '1', pp_schedule: 'interleaved' };
  expect(caseOf({ ...gpt, ...columns }).scenarios[0]!.layout.virtual).toBe(chunks);
});

test('vocabularies are padded for all tensor-parallel ranks where frameworks do it, whoever says them', () => {
  const { vocab: _, ...unsaid } = gpt;
  const vocabularyOf = (columns: Row) => caseOf({ ...unsaid, ...columns }).scenarios[0]!.config.vocabSize;
  expect(vocabularyOf({ vocab: '50257', tp: '8', dp: '16' })).toBe(1024 * 50);
  const llama = { model: 'Llama 3 8B', layers: '32', tp: '8', dp: '16' };
  expect(vocabularyOf(llama)).toBe(1024 * 126);
  expect(vocabularyOf({ ...llama, source_group: 'TorchTitan' })).toBe(128256);
});

test("Nanotron's stages end with the layer that takes them beyond their part of all weights", () => {
  const nanotron: Row = {
    ...gpt,
    gpu: 'H100-SXM-80GB',
    source_group: 'HF nanotron / Ultra-Scale Playbook',
    model: 'Llama-like 3.57B',
    layers: '28',
    hidden: '3072',
    ffn: '8192',
    vocab: '131072',
    tp: '1',
    micro_batch: '1',
  };
  const stagesOf = (columns: Row) => caseOf({ ...nanotron, ...columns }).scenarios[0]!.layout.stages;
  // The head is worth 3.6 layers: 16 of 31.6 are the first beyond a half.
  expect(stagesOf({ pp: '2', dp: '64' })).toEqual([16, 12]);
  expect(stagesOf({ pp: '4', dp: '32' })).toEqual([8, 8, 8, 4]);
  // Stages without layers there cannot be.
  expect(stagesOf({ pp: '16', dp: '8' })).toBeUndefined();
});

test('what is not said to be computed anew is as little as fits; the order is that of more and more', () => {
  const { scenarios, assumed } = caseOf({ ...gpt, recompute: 'not stated' });
  const layers = scenarios.map(({ layout }) => layout.recompute.layers?.length ?? layout.recompute.policy);
  expect(layers).toEqual(['none', 'selective', 5, 9, 18, 'full']);
  expect(assumed).toEqual(['what is computed anew: as little as fits']);
});

test('microbatches that are not said: as large as fits, or of one sequence in a pipeline', () => {
  const { micro_batch: _, ...open } = gpt;
  const sizesOf = (columns: Row) =>
    caseOf({ ...open, ...columns }).scenarios.map((each) => [each.microBatch, each.microbatches]);
  expect(sizesOf({})).toEqual([
    [16, 1],
    [8, 2],
    [4, 4],
    [2, 8],
    [1, 16],
  ]);
  expect(sizesOf({ pp: '4', dp: '8' })).toEqual([[1, 64]]);
  expect(sizesOf({ grad_accum: '4' })).toEqual([[4, 4]]);
});

test.each<[string, Row, RegExp]>([
  ['no format on a device that has several', { precision: '', gpu: 'H100-SXM-80GB' }, /in which format products are/],
  ['an unknown GPU', { gpu: 'Ascend 910' }, /Ascend 910 is not in the catalogue/],
  ['a GPU whose name another begins with', { gpu: 'A1000' }, /A1000 is not in the catalogue/],
  ['a rate below nothing', { tflops_per_gpu: '-3' }, /its tflops_per_gpu is -3/],
  ['a time of nothing', { iter_time_s: '0' }, /its iter_time_s is 0/],
  ['a time that no step takes', { iter_time_s: '1e300' }, /its iter_time_s is 1e300/],
  ['a rate at which a step takes years', { tflops_per_gpu: '1e-9' }, /it says that a step took \d/],
  ['a division by nothing', { iter_time_s: 'NaN' }, /its iter_time_s is NaN/],
  ['memory of nothing', { peak_mem_gib: '0' }, /its peak_mem_gib is 0/],
  ['no GPUs', { num_gpus: '' }, /how many GPUs/],
  ['no sequence length', { seq_len: '' }, /how long sequences are/],
  ['no heads', { heads: '' }, /does not say its heads/],
  ['no layout', { tp: '' }, /how it is laid out/],
  ['axes that do not make the ranks', { dp: '16' }, /make 64 ranks, not 128/],
  ['a batch that does not divide', { global_batch: '500' }, /do not divide/],
  ['no batch', { global_batch: '', micro_batch: '' }, /how large a batch is/],
  ['nothing measured', { tflops_per_gpu: '' }, /neither time nor memory/],
  ['an unknown model', { model: 'Mystery 7B' }, /sizes of Mystery 7B are not known/],
])('%s is told', (_, columns, reason) => {
  const row = Object.fromEntries(Object.entries({ ...gpt, ...columns }).filter(([, value]) => value !== ''));
  expect(trainingCase(row)).toMatch(reason);
});

test('out of memory is a measurement', () => {
  const { tflops_per_gpu: _, ...bare } = gpt;
  expect(caseOf({ ...bare, mem_note: 'OOM' }).measured).toEqual({ ranOutOfMemory: true });
});

test.each([
  ['method=baseline; activation_offload_alpha=0', undefined],
  ['activation_offload_alpha=0.63; method=ours', { optimizer: false, activations: 0.63 }],
  ['activation_offload_alpha=1.00', { optimizer: false, activations: 1 }],
  ['DeepSpeed ZeRO-3 + CPU AdamW offload', { optimizer: true, activations: 0 }],
])('what is on the host: %s', (extra, offload) => {
  expect(caseOf({ ...gpt, extra }).scenarios[0]!.offload).toEqual(offload);
});

test('a batch that no step has is told, not counted through', () => {
  expect(trainingCase({ ...gpt, global_batch: '1e15', micro_batch: '1' })).toMatch(/more than 16777216 sequences/);
});
