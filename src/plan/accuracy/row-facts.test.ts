import { expect, test } from 'vitest';
import { factsOf, type RowFacts } from './row-facts.ts';
import type { Row } from './table.ts';

const megatron2021 = { attention: 'scores', dropout: true, overlapsGradients: false, sp: false } as const;

test.each<[string, Row, Partial<RowFacts>]>([
  ['Megatron of 2021', { source_group: 'Megatron-LM SC21', sharding: 'none' }, { ...megatron2021, zero: 0 }],
  [
    'the same with sequence parallelism',
    { source_group: 'Korthikanti 2022', extra: 'sequence_parallel=on', recompute: 'selective (attention core)' },
    { ...megatron2021, sp: true, recompute: 'selective' },
  ],
  [
    'DeepSpeed',
    { source_group: 'BigScience', sharding: 'ZeRO-1', recompute: 'full activation checkpointing' },
    { zero: 1, narrowGradients: true, recompute: 'full', countsRecomputation: true },
  ],
  [
    'its gradients in fp32',
    { source_group: 'BigScience', notes: 'BF16 optimizer with fp32 grad accumulation' },
    { narrowGradients: false },
  ],
  [
    'NeMo',
    { source_group: 'NVIDIA NeMo / Megatron-Bridge', recompute: 'not stated' },
    { zero: 1, sp: true, attention: 'tuned' },
  ],
  [
    'its FSDP',
    { source_group: 'NVIDIA NeMo / Megatron-Bridge', sharding: 'FSDP group 64' },
    { zero: 3, overlapsGradients: true },
  ],
  [
    'its mixtures',
    { source_group: 'NVIDIA NeMo / Megatron-Bridge', precision: 'FP8', extra: 'container=26.06; MoE 128 experts top8' },
    { experts: 'looped', launches: 'interpreted', overlapsExperts: false, narrowAttention: false },
  ],
  [
    'its mixtures in MXFP8, captured whole',
    {
      source_group: 'NVIDIA NeMo / Megatron-Bridge',
      precision: 'MXFP8',
      extra: 'container=26.06; MoE 128 experts top8',
    },
    { experts: 'fused', launches: 'captured', overlapsExperts: true, narrowAttention: true },
  ],
  [
    'and before they were',
    {
      source_group: 'NVIDIA NeMo / Megatron-Bridge',
      precision: 'MXFP8',
      extra: 'container=26.04; MoE 128 experts top8',
    },
    { experts: 'looped', launches: 'interpreted', overlapsExperts: false, narrowAttention: false },
  ],
  [
    'its assumed distributed optimizer',
    { source_group: 'NVIDIA NeMo / Megatron-Bridge', sharding: 'distributed optimizer (ZeRO-1) assumed; FSDP=0' },
    { zero: 1 },
  ],
  [
    'what resembles ZeRO-2',
    { sharding: 'FSDP shards optimizer states + gradients (ZeRO-2-like: no reshard)' },
    { zero: 1 },
  ],
  ['data parallelism by FSDP over one', { sharding: 'DP 64 x FSDP 1' }, { zero: 0 }],
  [
    'torchtitan, compiled, with asynchronous tensor parallelism',
    {
      source_group: 'TorchTitan',
      sharding: 'FSDP2 (ZeRO-3)',
      extra: 'AsyncTP + torch.compile',
      recompute: 'selective layer AC',
    },
    { zero: 3, fuses: true, overlapsTensor: true, recompute: 'every second layer', readsReserved: true },
  ],
  [
    'torchtitan as it is',
    { source_group: 'TorchTitan', extra: 'FSDP' },
    { fuses: false, overlapsTensor: false, overlapsParameters: true },
  ],
  [
    'no overlap at all',
    {
      source_group: 'SimuMax',
      notes: 'all comm overlap disabled in these runs',
      recompute: 'none (recompute-num-layers 0)',
    },
    { overlapsGradients: false, overlapsTensor: false, overlapsPipeline: false, recompute: 'none' },
  ],
  ['zero-bubble', { pp_schedule: 'ZB-1p' }, { schedule: 'zb-h1' }],
  [
    'messages beside work, which Megatron has between several chunks alone',
    { source_group: 'Megatron-Core README', extra: 'weak-scaling; overlap DP/TP/PP comm on by default' },
    { interleaved: true, overlapsPipeline: true },
  ],
  [
    'Llama 3, before PyTorch overlapped tensor parallelism',
    { source_group: 'Llama 3 Herd of Models' },
    { overlapsTensor: false },
  ],
  [
    'BigScience, which awaits each kernel',
    { source_group: 'BigScience' },
    { launches: 'awaited', vocabulary: 'padded by rank' },
  ],
  ['interleaved', { pp_schedule: '1F1B-I' }, { schedule: '1f1b', interleaved: true, usualChunks: 4 }],
  [
    'interleaved by TorchTitan',
    { source_group: 'TorchTitan', pp_schedule: 'Interleaved 1F1B' },
    { interleaved: true, usualChunks: 2 },
  ],
  ['an analytic number', { extra: 'ANALYTIC (paper figure 7)' }, { unfit: 'it is no measurement' }],
  ['adapters', { extra: 'task=LoRA' }, { unfit: 'it trains adapters, not all weights' }],
  ['a contradiction', { notes: 'CHECK: PP=41' }, { unfit: 'its source contradicts itself' }],
  [
    'activations on the host',
    { extra: 'activation_cpu_offload=True' },
    { activationsOnHost: 1, optimizerOnHost: false },
  ],
  [
    'an optimizer on the host',
    { sharding: 'ZeRO-3 + CPU AdamW offload' },
    { activationsOnHost: 0, optimizerOnHost: true },
  ],
])('%s', (_, row, facts) => {
  expect(factsOf(row)).toMatchObject(facts);
});

test('what is not said is not known, and is nothing that keeps a row from being predicted', () => {
  for (const row of [{}, { recompute: 'not stated' }, { recompute: 'none stated' }] as Row[])
    expect(factsOf(row).recompute).toBeUndefined();
  for (const extra of [
    'activation_offload_alpha=0; x',
    'activation_offload_alpha=0.00',
    'activation_cpu_offload=False',
  ])
    expect(factsOf({ extra }).unfit).toBeUndefined();
  expect(factsOf({ mem_note: 'max_allocated GiB; max_reserved GiB=110.18' }).readsReserved).toBe(false);
  expect(factsOf({ mem_note: 'max_memory_reserved, worst rank' }).readsReserved).toBe(true);
});
