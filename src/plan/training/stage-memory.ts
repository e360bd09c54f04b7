// What a rank of a stage holds: its state, and its activations at the peak of its schedule.
import type { StageActions } from '../summary/actions.ts';
import { livePeak } from '../summary/estimate.ts';
import type { StageSummary, StateBytes } from '../summary/summary.ts';
import { heldBesides } from './held-besides.ts';
import { liveBesideHost, movedOf } from './offload-memory.ts';
import type { TrainingMemory, TrainingScenario } from './scenario.ts';

/** Of what is held, this much more is taken: an allocator's blocks do not fit what comes next. */
const fragmented = 0.03;
/** Buffers of collectives and workspaces of products. */
const workspaceBytes = 0.5 * 2 ** 30;

export const stageMemory = (summary: StageSummary, actions: StageActions, scenario: TrainingScenario): TrainingMemory =>
  memoryOf(onDevice(summary.state, scenario), peakOf(summary, actions, scenario));

const onDevice = (state: StateBytes, { offload }: TrainingScenario): StateBytes =>
  offload?.optimizer ? { ...state, optimizer: 0 } : state;

/** `activations`: bytes at the peak. */
export function memoryOf({ weights, gradients, optimizer }: StateBytes, activations: number): TrainingMemory {
  const held = weights + gradients + optimizer + activations;
  const buffers = workspaceBytes + fragmented * activations;
  return { weights, gradients, optimizer, activations, buffers, total: held + buffers };
}

/** Most bytes of activations at once. */
function peakOf(summary: StageSummary, actions: StageActions, scenario: TrainingScenario): number {
  const besides = summary.chunks.map((chunk) => heldBesides(scenario, chunk));
  const moved = summary.chunks.map((chunk) => movedOf(scenario, chunk));
  return livePeak(summary, actions, ({ chunk, kind }) => {
    const { peak, net } = summary.chunks[chunk]![kind].live;
    const more = besides[chunk]!(kind);
    return liveBesideHost({ peak: peak + more.peak, net: net + more.net }, kind, moved[chunk]!);
  });
}
