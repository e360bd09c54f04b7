// What the words of a training row say of how it ran: one table of rules over its text columns, from the general to the special.
import type { CpMode, Zero } from '../../mesh/layout.ts';
import { type FrameworkName, frameworks, megatronBefore2023, shardedEager, switches } from '../software/frameworks.ts';
import { currentSoftware, type Software } from '../software/software.ts';
import type { Routing } from '../training/routing.ts';
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
  /** How many they are then, where layers divide by it. */
  readonly usualChunks: number;
  /** Undefined: the row does not say. */
  readonly recompute?: RecomputeFact;
  /** TFLOPs of the row count what is computed anew as well. */
  readonly countsRecomputation: boolean;
  /** And of all FLOPs only those of layers with their weights: neither scores nor the head. */
  readonly countsLayersAlone: boolean;
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

/** What a row of these frameworks leaves open. */
const customs: Readonly<Record<FrameworkName, Partial<RowFacts>>> = {
  'megatron-lm': { sp: true, zero: 1 },
  nemo: { sp: true, zero: 1 },
  'megatron-lm-2021': { sp: false, zero: 0 },
  'megatron-deepspeed': { sp: false, zero: 1 },
  nanotron: { sp: true, zero: 0, dealsWeights: true },
  internevo: { sp: false, zero: 1 },
  torchtitan: {
    sp: true,
    zero: 3,
    cpMode: 'gather',
    // Before 2025: see below.
    loss: 'separate',
    microbatchesAreStages: true,
    // Stages a rank unless it is told their boundaries.
    usualChunks: 2,
    readsReserved: true,
  },
  mosaicml: { sp: true, zero: 3 },
  maxtext: { zero: 3 },
};

/** Software that nobody can name for runs of their own: a company's, or a study's. */
const otherFrameworks: readonly Rule[] = [
  {
    in: 'framework',
    says: /megascale|llama 3 herd|mlperf|kwai/i,
    means: { sp: true, zero: 1, launches: 'interpreted', experts: 'looped' },
  },
  // PyTorch's own, which had its collectives run beside products from September 2024 on ("Introducing async tensor parallelism in PyTorch").
  { in: 'framework', says: /llama 3 herd/i, means: { overlapsTensor: false } },
  // Megatron-DeepSpeed, with 16-bit gradients as DeepSpeed has them in fp16; a rank has V // tp words (vTrain, src/model/gpt_modeling.py).
  {
    in: 'framework',
    says: /vtrain/i,
    means: { ...megatronBefore2023, sp: false, zero: 0, narrowGradients: true, awaitsRanks: true, vocabulary: 'cut' },
  },
  {
    in: 'framework',
    says: /korthikanti|calculon/i,
    means: { ...megatronBefore2023, sp: false, zero: 0, addsApart: false },
  },
  {
    in: 'framework',
    says: /zero bubble/i,
    means: { ...megatronBefore2023, sp: false, zero: 0, overlapsPipeline: true, addsApart: false },
  },
  { in: 'framework', says: /automodel/i, means: { ...shardedEager, sp: true, zero: 3 } },
];

const rules: readonly Rule[] = [
  {
    in: 'framework',
    says: /megatron|nemo|bridge|dgx cloud|simumax|megascale|mlperf|kwai|korthikanti|calculon|bigscience|zero bubble/i,
    means: { vocabulary: 'padded by rank' },
  },
  ...otherFrameworks,
  ...frameworks.map(({ name, says, does }): Rule => ({ in: 'framework', says, means: { ...does, ...customs[name] } })),
  // Its scripts set CUDA_LAUNCH_BLOCKING; of three pairs of runs with it and without, one differs by 7 %, two do not (chronicles of tr11).
  { in: 'framework', says: /bigscience/i, means: { launches: 'awaited' } },
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
  // Kernels, numbers and conventions.
  // Megatron-Bridge's recipes of mixtures in MXFP8 and NVFP4 (perf_recipes: _enable_hybridep_full_iteration_mxfp8, _enable_deepseek_full_iteration,
  // _apply_gpt_oss_120b_full_iter_fp8mx_configs): steps that are captured whole, experts in one kernel, exchanges beside others' work, attention in FP8.
  {
    says: /(?=.*(nemo|bridge))(?=.*(mxfp8|nvfp4))(?=.*container=(26\.(0[6-9]|1)|2[7-9]))(?=.*\bmoe\b)/i,
    means: { overlapsExperts: true, launches: 'captured', experts: 'fused', narrowAttention: true },
  },
  // TorchTitan has compiled its loss as well since then.
  { in: 'source', says: /torchtitan.*_2025-?\d\d/i, means: { loss: 'fused' } },
  ...switches.map(({ says, does }): Rule => ({ says, means: does })),
  { says: /max[_ ](memory[_ ])?reserved(?! gib=)/i, means: { readsReserved: true } },
  { says: /tflop\/s counts recompute|hardware, incl\. recompute/i, means: { countsRecomputation: true } },
  { in: 'framework', says: /sc21|bigscience|internevo/i, means: { countsRecomputation: true } },
  // BigScience's rates before 21 February 2022 (chronicles of tr11, "TFLOPs calculation improved").
  { in: 'extra', says: /incl\. recompute.*date=(01-\d\d|02-([01]\d|20))\b/i, means: { countsLayersAlone: true } },
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
  usualChunks: 4,
  countsRecomputation: false,
  countsLayersAlone: false,
  vocabulary: 'padded',
  readsReserved: false,
  microbatchesAreStages: false,
  countsEnds: false,
  dealsWeights: false,
  optimizerOnHost: false,
  routing: 'even',
  activationsOnHost: 0,
};

/** The framework that a row names, of those that a user can name; of several the last. */
export const frameworkOf = (row: Row): FrameworkName | undefined =>
  frameworks.findLast(({ says }) => says.test(wordsIn(row, frameworkColumns)))?.name;

/** What a row says, by all rules that its words match; of two that differ the later. */
export function factsOf(row: Row): RowFacts {
  const all = wordsIn(row, textColumns);
  const framework = wordsIn(row, frameworkColumns);
  const wordsOf = (column: string | undefined): string =>
    column === undefined ? all : column === 'framework' ? framework : (row[column] ?? '');
  const said = rules.filter((rule) => rule.says.test(wordsOf(rule.in))).map(({ means }) => means);
  return Object.assign({}, unlessSaid, ...said) as RowFacts;
}
