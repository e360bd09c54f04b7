// What the words of a training row say of how it ran: one table of rules over its text columns, from the general to the special.
import type { CpMode, Zero } from '../../mesh/layout.ts';
import type { Routing } from '../training/routing.ts';
import { currentSoftware, type Software } from '../training/scenario.ts';
import { type Row, wordsIn } from './table.ts';

/** How a backward pass gets its activations: recomputed, or those of every second layer. */
export type RecomputeFact = 'none' | 'selective' | 'full' | 'every second layer';

export interface RowFacts extends Software {
  /** Sequence parallelism, where there is tensor parallelism. */
  readonly sp: boolean;
  readonly zero: Zero;
  readonly cpMode: CpMode;
  readonly schedule: 'gpipe' | '1f1b' | 'zb-h1';
  /** Several chunks a stage, where the row does not say how many. */
  readonly interleaved: boolean;
  /** Undefined: the row does not say. */
  readonly recompute?: RecomputeFact;
  /** TFLOPs of the row count what is computed anew as well. */
  readonly countsRecomputation: boolean;
  /** And of all FLOPs only those of layers with their weights: neither scores nor the head. */
  readonly countsLayersAlone: boolean;
  /** Gradients are as wide as parameters where they are summed up and sent. */
  readonly narrowGradients: boolean;
  /**
   * Words are shared out to tensor-parallel ranks as they are, what is left over dropped; or their number is rounded up to a multiple of 128
   * where a row says it, or so that each rank has one, whoever says it (Megatron's make-vocab-size-divisible-by).
   */
  readonly vocabulary: 'cut' | 'padded' | 'padded by rank';
  /** Its memory is what an allocator took from the device, not what tensors had. */
  readonly readsReserved: boolean;
  /** Where microbatches are not said they are as many as stages. */
  readonly microbatchesAreStages: boolean;
  /** The embedding and the head count as a layer each when layers are dealt out to stages. */
  readonly countsEnds: boolean;
  /** Stages share out the weights of layers and head: each ends with the layer that takes it beyond its part (Nanotron). */
  readonly dealsWeights: boolean;
  readonly optimizerOnHost: boolean;
  readonly routing: Routing;
  /** Share of what layers keep. */
  readonly activationsOnHost: number;
  /** Why it is nothing that can be predicted. */
  readonly unfit?: string;
}

interface Rule {
  /** The column; all text columns unless given. */
  readonly in?: string;
  readonly says: RegExp;
  readonly means: Partial<RowFacts>;
}

const noOverlap = {
  overlapsGradients: false,
  overlapsParameters: false,
  overlapsTensor: false,
  overlapsPipeline: false,
  overlapsExperts: false,
} as const;

/** Megatron-LM before 2023, and what was made of it: attention writes its scores, dropout is on, nothing overlaps. */
const before2023 = {
  ...noOverlap,
  attention: 'scores',
  launches: 'interpreted',
  addsApart: true,
  gathersTensors: true,
  dropout: true,
  sp: false,
  zero: 0,
} as const;

/** Eager PyTorch that shares parameters out: every op a kernel of its own. */
const shardedEager = {
  overlapsTensor: false,
  fuses: false,
  launches: 'interpreted',
  addsApart: true,
  attention: 'flash-2',
  gathersAgain: false,
  loss: 'separate',
  zero: 3,
  sp: true,
} as const;

const rules: readonly Rule[] = [
  // Frameworks and their time.
  {
    in: 'framework',
    says: /megatron|nemo|bridge|dgx cloud|simumax|megascale|mlperf|kwai|korthikanti|calculon|bigscience|zero bubble/i,
    means: { vocabulary: 'padded by rank' },
  },
  {
    in: 'framework',
    says: /megatron-?core|megatron moe|simumax/i,
    means: { sp: true, zero: 1, launches: 'interpreted' },
  },
  {
    in: 'framework',
    says: /nemo|bridge|dgx cloud/i,
    means: { sp: true, zero: 1, narrowGradients: true, launches: 'interpreted' },
  },
  {
    in: 'framework',
    says: /megascale|llama 3 herd|mlperf|kwai/i,
    means: { sp: true, zero: 1, launches: 'interpreted' },
  },
  // PyTorch's own, which had its collectives run beside products from September 2024 on ("Introducing async tensor parallelism in PyTorch").
  { in: 'framework', says: /llama 3 herd/i, means: { overlapsTensor: false } },
  { in: 'framework', says: /sc21|megatron-lm 2020/i, means: before2023 },
  // Megatron-DeepSpeed, with 16-bit gradients as DeepSpeed has them in fp16; a rank has V // tp words (vTrain, src/model/gpt_modeling.py).
  {
    in: 'framework',
    says: /vtrain/i,
    means: { ...before2023, narrowGradients: true, vocabulary: 'cut' },
  },
  { in: 'framework', says: /korthikanti|calculon/i, means: { ...before2023, addsApart: false } },
  {
    in: 'framework',
    says: /bigscience|megatron-deepspeed/i,
    means: { ...before2023, zero: 1, narrowGradients: true, launches: 'awaited' },
  },
  { in: 'framework', says: /zero bubble/i, means: { ...before2023, overlapsPipeline: true, addsApart: false } },
  {
    in: 'framework',
    says: /nanotron/i,
    means: {
      launches: 'interpreted',
      addsApart: true,
      attention: 'flash-2',
      gathersAgain: false,
      sp: true,
      zero: 0,
      dealsWeights: true,
      updated: 'copied',
      overlapsGradients: false,
      overlapsParameters: false,
    },
  },
  {
    in: 'framework',
    says: /internevo/i,
    means: {
      zero: 1,
      sp: false,
      overlapsTensor: false,
      overlapsParameters: false,
      narrowGradients: true,
      attention: 'flash-2',
      fuses: false,
      launches: 'interpreted',
      addsApart: true,
    },
  },
  {
    in: 'framework',
    says: /torchtitan/i,
    means: {
      ...shardedEager,
      selects: 'every second product',
      cpMode: 'gather',
      microbatchesAreStages: true,
      readsReserved: true,
    },
  },
  { in: 'framework', says: /mosaicml|llm-foundry|automodel/i, means: shardedEager },
  { in: 'framework', says: /maxtext|paxml|jax-toolbox/i, means: { zero: 3, overlapsTensor: false } },
  { in: 'framework', says: /jax-toolbox/i, means: { attention: 'scores', overlapsGradients: false } },
  { in: 'precision', says: /^te /i, means: { attention: 'tuned' } },
  { in: 'framework', says: /method=megatron-lm/i, means: { overlapsGradients: false, overlapsTensor: false } },
  // What it shares out.
  { in: 'sharding', says: /^none$|optimizer_sharding=false|zero-?0|fsdp 1$/i, means: { zero: 0 } },
  { in: 'sharding', says: /zero-?1|distributed optimizer/i, means: { zero: 1 } },
  // InternEvo's ranks broadcast what they have updated: to few others soon, to all after long.
  { in: 'sharding', says: /zero-?1 over all dp ranks/i, means: { updated: 'broadcast' } },
  { in: 'sharding', says: /zero-?2/i, means: { zero: 2 } },
  // Its gradients are scattered once a step, as if the optimizer alone were shared out.
  { in: 'sharding', says: /zero-?2-like/i, means: { zero: 1 } },
  { in: 'sharding', says: /^(?!.*zero-?[012])(.*zero-?3|.*\bfsdp(?!=0| 1$))/i, means: { zero: 3 } },
  // Sequence and context parallelism.
  { says: /sequence[_ -]parallel( ?= ?|-| )(on|true)|tensor_par_comm_type=rs_ag/i, means: { sp: true } },
  { says: /sequence[_ -]parallel( ?= ?|-| )(off|false)|tensor_par_comm_type=ar\b/i, means: { sp: false } },
  { says: /cp via a2a|ulysses/i, means: { cpMode: 'ulysses' } },
  { says: /all-gather based cp/i, means: { cpMode: 'gather' } },
  // Pipelines.
  { in: 'pp_schedule', says: /gpipe/i, means: { schedule: 'gpipe' } },
  { in: 'pp_schedule', says: /^zb|zero.?bubble/i, means: { schedule: 'zb-h1' } },
  { in: 'pp_schedule', says: /interleaved|1f1b-i/i, means: { interleaved: true } },
  // Megatron's messages between stages run beside work where stages have several chunks, and nowhere else (its arguments.py).
  { in: 'extra', says: /overlap (\w+\/)*PP comm on/i, means: { interleaved: true } },
  { says: /type:transformer\|embedding/i, means: { countsEnds: true } },
  // What backward passes compute anew.
  { in: 'recompute', says: /^none(?! stated)|^no\b/i, means: { recompute: 'none' } },
  { in: 'recompute', says: /^(sel\b|selective|attn_only|norm|balanced|per-op)/i, means: { recompute: 'selective' } },
  { in: 'recompute', says: /^selective layer/i, means: { recompute: 'every second layer' } },
  { in: 'recompute', says: /^(per-op )?selective( op)? ac/i, means: { recompute: 'selective' } },
  // All of a mixture anew is most of a layer.
  { in: 'recompute', says: /^full|^selective \(.*\bmoe\b/i, means: { recompute: 'full' } },
  // What runs beside what.
  { says: /comm overlap disabled|overlap with off/i, means: noOverlap },
  { says: /tensor_par_overlap=none|vanilla tp/i, means: { overlapsTensor: false } },
  { says: /async ?tp/i, means: { overlapsTensor: true } },
  { says: /unoverlapped dp/i, means: { overlapsGradients: false } },
  { says: /\bsync p2p/i, means: { overlapsPipeline: false } },
  { says: /1f1b overlap|container=(26\.(0[6-9]|1)|2[7-9])/i, means: { overlapsExperts: true } },
  { says: /dispatcher=a2a|alltoall dispatcher/i, means: { sendsOnce: false } },
  // Kernels, numbers and conventions.
  { says: /torch\.compile/i, means: { fuses: true, launches: 'compiled' } },
  // TorchTitan has compiled its loss as well since then.
  { in: 'source', says: /torchtitan.*_2025-?\d\d/i, means: { loss: 'fused' } },
  { in: 'framework', says: /mosaicml|llm-foundry/i, means: { loss: 'fused' } },
  { says: /fused ce|liger/i, means: { loss: 'blocks' } },
  { says: /fp32 grad accumulation/i, means: { narrowGradients: false } },
  { says: /max[_ ](memory[_ ])?reserved(?! gib=)/i, means: { readsReserved: true } },
  { says: /tflop\/s counts recompute|hardware, incl\. recompute/i, means: { countsRecomputation: true } },
  { in: 'framework', says: /sc21|bigscience|internevo/i, means: { countsRecomputation: true } },
  // BigScience's rates before 21 February 2022 (chronicles of tr11, "TFLOPs calculation improved").
  { in: 'extra', says: /incl\. recompute.*date=02-(1\d|20)\b/i, means: { countsLayersAlone: true } },
  { says: /routing=dropless|natural routing/i, means: { routing: 'natural' } },
  // What waits on the host; `activation_offload_alpha` says a share: see training-row.ts.
  { says: /cpu adamw offload|[^_]cpu_offload=true/i, means: { optimizerOnHost: true } },
  { says: /activation_cpu_offload=true/i, means: { activationsOnHost: 1 } },
  // What is no step that can be predicted.
  { says: /\banalytic\b/i, means: { unfit: 'it is no measurement' } },
  { says: /per-layer|one moe layer|one transformer layer/i, means: { unfit: 'it measures one layer, not a step' } },
  { says: /\bCHECK\b/, means: { unfit: 'its source contradicts itself' } },
  { says: /\blora\b/i, means: { unfit: 'it trains adapters, not all weights' } },
  { says: /mamba/i, means: { unfit: 'its model has layers of state spaces' } },
  { says: /token-?drop/i, means: { unfit: 'it drops tokens, how many is not said' } },
  { says: /generalized tensor parallel/i, means: { unfit: 'its way to split layers is not one of the five axes' } },
  {
    says: /sliding window attention|parallel transformer block/i,
    means: { unfit: 'its model is changed, how is not said' },
  },
];

const textColumns = [
  'source_group',
  'gpu',
  'model',
  'interconnect',
  'precision',
  'sharding',
  'pp_schedule',
  'recompute',
  'extra',
  'mem_note',
  'notes',
];

/** Where a row names the software that ran it. */
const frameworkColumns = ['source_group', 'extra', 'pp_schedule', 'source'];

const unlessSaid: RowFacts = {
  ...currentSoftware,
  sp: false,
  zero: 0,
  cpMode: 'ring',
  schedule: '1f1b',
  interleaved: false,
  countsRecomputation: false,
  countsLayersAlone: false,
  narrowGradients: false,
  vocabulary: 'padded',
  readsReserved: false,
  microbatchesAreStages: false,
  countsEnds: false,
  dealsWeights: false,
  optimizerOnHost: false,
  routing: 'even',
  activationsOnHost: 0,
};

/** What a row says, by all rules that its words match; of two that differ the later. */
export function factsOf(row: Row): RowFacts {
  const all = wordsIn(row, textColumns);
  const framework = wordsIn(row, frameworkColumns);
  const wordsOf = (column: string | undefined): string =>
    column === undefined ? all : column === 'framework' ? framework : (row[column] ?? '');
  const said = rules.filter((rule) => rule.says.test(wordsOf(rule.in))).map(({ means }) => means);
  return Object.assign({}, unlessSaid, ...said) as RowFacts;
}
