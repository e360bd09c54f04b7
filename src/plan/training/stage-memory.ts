// What a rank of a stage holds: its state, and its activations at the peak of its schedule.
import { once } from '../../step/once.ts';
import type { Software } from '../software/software.ts';
import type { StageActions } from '../summary/actions.ts';
import { livePeak } from '../summary/estimate.ts';
import type { StageSummary, StateBytes, WorkKind } from '../summary/summary.ts';
import { liveOf } from './held-besides.ts';
import { liveBesideHost, movedOf } from './offload-memory.ts';
import { type TrainingMemory, type TrainingScenario, widthsOf } from './scenario.ts';

/** Of what is held, this much more is taken: an allocator's blocks do not fit what comes next. */
const fragmented = 0.03;
/** Buffers of collectives and workspaces of products. */
const workspaceBytes = 0.5 * 2 ** 30;

export function stageMemory(summary: StageSummary, actions: StageActions, scenario: TrainingScenario): TrainingMemory {
  const { software, microbatches } = scenario;
  // Tokens and scalars are little beside an allocator's own.
  const tokens = software.plansMemory ? summary.own.step + microbatches * summary.own.microbatch : 0;
  return memoryOf(sharesOf(summary.state, scenario), peakOf(summary, actions, scenario) + tokens, software);
}

/** With ZeRO 3 weights are the copies that the optimizer works on; if that is on the host, copies of those. */
export function sharesOf(
  state: StateBytes,
  { formats, offload }: Pick<TrainingScenario, 'formats' | 'offload'>,
): StateBytes {
  const { moments, master, parameters } = widthsOf(formats);
  if (offload?.optimizer) {
    const own = state.optimizer / (2 * moments + master);
    return { ...state, weights: state.weights > 0 ? state.weights : own * parameters, optimizer: 0 };
  }
  if (state.weights > 0) return state;
  const weights = (state.optimizer * master) / (2 * moments + master);
  return { ...state, weights, optimizer: state.optimizer - weights };
}

/** `activations`: bytes at the peak. */
export function memoryOf(
  { weights, gradients, optimizer }: StateBytes,
  activations: number,
  software: Pick<Software, 'plansMemory'>,
): TrainingMemory {
  const buffers = bufferBytes(activations, software);
  return {
    weights,
    gradients,
    optimizer,
    activations,
    buffers,
    total: weights + gradients + optimizer + activations + buffers,
  };
}

export const bufferBytes = (activations: number, { plansMemory }: Pick<Software, 'plansMemory'>): number =>
  plansMemory ? 0 : workspaceBytes + fragmented * activations;

/** Most bytes of activations at once. */
function peakOf(summary: StageSummary, actions: StageActions, scenario: TrainingScenario): number {
  const chunks = summary.chunks.map((chunk) => {
    const live = liveOf(scenario, chunk);
    const moved = movedOf(scenario, chunk);
    return once((kind: WorkKind) => liveBesideHost(live(kind), kind, moved));
  });
  return livePeak(summary, actions, ({ chunk, kind }) => chunks[chunk]!(kind));
}
