// Frameworks by name, and what is switched on or off in them: one table, for a user who says which it is and for measured rows whose words
// tell it. What a row leaves open besides (its ZeRO, its conventions) stands in plan/accuracy/row-facts.ts.
import type { Software } from './software.ts';

/** What differs from a tuned stack of today. */
export type SoftwareChange = Partial<Software>;

interface Named {
  readonly name: string;
  /** How sources call it. */
  readonly says: RegExp;
  readonly does: SoftwareChange;
}

const nothingOverlaps = {
  overlapsGradients: false,
  overlapsParameters: false,
  overlapsTensor: false,
  overlapsPipeline: false,
  overlapsExperts: false,
} as const satisfies SoftwareChange;

/** Megatron-LM's schedules.py has 1F1B (Narayanan et al. 2021), with one chunk a stage and with several. */
const ofMegatron = { pipelines: ['1f1b', 'interleaved'] } as const satisfies SoftwareChange;

/** Megatron-LM before 2023, and what was made of it: attention writes its scores, dropout is on, nothing overlaps. */
export const megatronBefore2023 = {
  ...ofMegatron,
  offloads: [],
  ...nothingOverlaps,
  attention: 'scores',
  launches: 'interpreted',
  addsApart: true,
  gathersTensors: true,
  dropout: true,
} as const satisfies SoftwareChange;

/** Eager PyTorch that shares parameters out: every op a kernel of its own. */
export const shardedEager = {
  overlapsTensor: false,
  fuses: false,
  launches: 'interpreted',
  addsApart: true,
  attention: 'flash-2',
  gathersAgain: false,
  loss: 'separate',
} as const satisfies SoftwareChange;

/** Of two that match the later counts. */
export const frameworks = [
  {
    name: 'megatron-lm',
    says: /megatron-?core|megatron moe|simumax/i,
    does: { ...ofMegatron, launches: 'interpreted', experts: 'looped' },
  },
  {
    name: 'nemo',
    says: /nemo|bridge|dgx cloud/i,
    does: { ...ofMegatron, narrowGradients: true, launches: 'interpreted', experts: 'looped' },
  },
  { name: 'megatron-lm-2021', says: /sc21|megatron-lm 2020/i, does: megatronBefore2023 },
  {
    name: 'megatron-deepspeed',
    says: /bigscience|megatron-deepspeed/i,
    // DeepSpeed's PipelineEngine has one schedule of training.
    // Its offload_optimizer (Ren et al. 2021); of activations it moves checkpoints alone.
    does: {
      ...megatronBefore2023,
      pipelines: ['1f1b'],
      offloads: ['optimizer'],
      narrowGradients: true,
      awaitsRanks: true,
    },
  },
  {
    name: 'nanotron',
    says: /nanotron/i,
    does: {
      // Its pp_engine is 1f1b or afab, all forwards before all backwards.
      pipelines: ['gpipe', '1f1b'],
      offloads: [],
      launches: 'interpreted',
      addsApart: true,
      attention: 'flash-2',
      gathersAgain: false,
      updated: 'copied',
      overlapsGradients: false,
      overlapsParameters: false,
    },
  },
  {
    name: 'internevo',
    says: /internevo/i,
    does: {
      // Its ZeroBubblePipelineScheduler has one chunk a stage.
      pipelines: ['1f1b', 'interleaved', 'zb-h1'],
      offloads: [],
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
    name: 'torchtitan',
    says: /torchtitan/i,
    does: {
      ...shardedEager,
      // Those of torch.distributed.pipelining (LoopedBFS is breadth-first), or of a CSV file, as ZB-H1 is: its own zero bubbles have several chunks a stage.
      pipelines: ['gpipe', 'breadth-first', '1f1b', 'interleaved', 'zb-h1'],
      // FSDP's offload moves parameters too.
      offloads: [],
      selects: 'every second product',
      loss: 'fused',
    },
  },
  // FSDP alone.
  {
    name: 'mosaicml',
    says: /mosaicml|llm-foundry/i,
    does: { ...shardedEager, pipelines: [], offloads: [], loss: 'fused' },
  },
  {
    name: 'maxtext',
    says: /maxtext|paxml|jax-toolbox/i,
    // A loop over stages, which JAX turns round as a whole; circular with num_pipeline_repeats.
    does: { pipelines: ['gpipe', 'breadth-first'], overlapsTensor: false },
  },
] as const satisfies readonly Named[];

export type FrameworkName = (typeof frameworks)[number]['name'];

/** What a framework can be run with. */
export const switches = [
  { name: 'no-overlap', says: /comm overlap disabled|overlap with off/i, does: nothingOverlaps },
  { name: 'no-tensor-overlap', says: /tensor_par_overlap=none|vanilla tp/i, does: { overlapsTensor: false } },
  { name: 'tensor-overlap', says: /async ?tp/i, does: { overlapsTensor: true } },
  { name: 'no-gradient-overlap', says: /unoverlapped dp/i, does: { overlapsGradients: false } },
  { name: 'no-pipeline-overlap', says: /\bsync p2p/i, does: { overlapsPipeline: false } },
  {
    name: 'expert-overlap',
    says: /1f1b overlap/i,
    does: { overlapsExperts: true },
  },
  { name: 'alltoall', says: /dispatcher=a2a|alltoall dispatcher/i, does: { sendsOnce: false } },
  { name: 'compile', says: /torch\.compile/i, does: { fuses: true, launches: 'compiled' } },
  { name: 'loss-by-blocks', says: /fused ce|liger/i, does: { loss: 'blocks' } },
  { name: 'fp32-gradients', says: /fp32 grad accumulation/i, does: { narrowGradients: false } },
] as const satisfies readonly Named[];
