// What a rank of a stage holds: its state, and its activations at the peak of its schedule.
import type { Schedule } from '../../schedule/schedule.ts';
import { livePeak } from '../summary/estimate.ts';
import type { StageSummary } from '../summary/summary.ts';
import type { TrainingMemory } from './scenario.ts';

/** Of what is held, this much more is taken: an allocator's blocks do not fit what comes next. */
const fragmented = 0.03;
/** Buffers of collectives and workspaces of products. */
const workspaceBytes = 0.5 * 2 ** 30;

export function stageMemory(summary: StageSummary, actions: Schedule['stages'][number]): TrainingMemory {
  const { weights, gradients, optimizer } = summary.state;
  const activations = livePeak(summary, actions);
  const held = weights + gradients + optimizer + activations;
  const buffers = workspaceBytes + fragmented * activations;
  return { weights, gradients, optimizer, activations, buffers, total: held + buffers };
}
