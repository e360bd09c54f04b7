// What a rank of a stage holds: its state, and its activations at the peak of its schedule.
import { isMessage, type Schedule, type WorkKind } from '../../schedule/schedule.ts';
import { ofMessage } from '../summary/estimate.ts';
import { followedBy } from '../summary/live.ts';
import type { LiveProfile, StageSummary } from '../summary/summary.ts';
import { heldBesides } from './held-besides.ts';
import type { TrainingMemory, TrainingScenario } from './scenario.ts';

/** Of what is held, this much more is taken: an allocator's blocks do not fit what comes next. */
const fragmented = 0.03;
/** Buffers of collectives and workspaces of products. */
const workspaceBytes = 0.5 * 2 ** 30;

export function stageMemory(
  summary: StageSummary,
  actions: Schedule['stages'][number],
  scenario: TrainingScenario,
): TrainingMemory {
  const { weights, gradients, optimizer } = summary.state;
  const activations = peakOf(summary, actions, scenario);
  const held = weights + gradients + optimizer + activations;
  const buffers = workspaceBytes + fragmented * activations;
  return { weights, gradients, optimizer, activations, buffers, total: held + buffers };
}

/** Most bytes of activations at once. */
function peakOf(summary: StageSummary, actions: Schedule['stages'][number], scenario: TrainingScenario): number {
  const profiles = summary.chunks.map((chunk) => {
    const besides = heldBesides(scenario, chunk);
    return (kind: WorkKind): LiveProfile => {
      const { peak, net } = chunk[kind].live;
      const more = besides(kind);
      return { peak: peak + more.peak, net: net + more.net };
    };
  });
  let live: LiveProfile = { peak: summary.once.live.peak, net: 0 };
  for (const action of actions)
    live = followedBy(live, isMessage(action) ? ofMessage(summary, action) : profiles[action.chunk]!(action.kind));
  return live.peak;
}
