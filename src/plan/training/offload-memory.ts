// What offload leaves on the device and puts on the host, in bytes.
import type { StageActions } from '../summary/actions.ts';
import { livePeak } from '../summary/estimate.ts';
import { nothingAlive } from '../summary/live.ts';
import type { LiveProfile, StageSummary, StateBytes, WorkKind } from '../summary/summary.ts';
import { type LivePart, liveOf } from './held-besides.ts';
import { type TrainingScenario, widthsOf } from './scenario.ts';

/** Layers whose activations are on the device though they are moved: those worked on, and those on their way (readings of Megatron-Kwai, ATC 2024). */
const layersHere = 5;

/** Of what a chunk keeps of a microbatch. */
export interface Moved {
  readonly bytes: number;
  /** Of these, those of the layers that are on their way. */
  readonly passing: number;
}

export function movedOf(
  scenario: TrainingScenario,
  { parts }: { readonly parts: readonly { readonly part: LivePart; readonly count: number }[] },
  share = scenario.offload?.activations ?? 0,
): Moved {
  if (share === 0) return { bytes: 0, passing: 0 };
  const blocks = parts.filter(({ part }) => part.name === 'block');
  const layers = blocks.reduce((sum, { count }) => sum + count, 0);
  const bytes = share * Math.max(0, liveOf(scenario, { parts: blocks })('forward').net);
  return { bytes, passing: bytes * Math.min(1, layersHere / Math.max(1, layers)) };
}

/** What is alive on the device of a work, by what is alive of it with nothing moved. */
export function liveBesideHost({ peak, net }: LiveProfile, kind: WorkKind, { bytes, passing }: Moved): LiveProfile {
  if (kind === 'forward') return { peak: peak - bytes + passing, net: net - bytes };
  if (kind === 'weightGradient') return { peak, net };
  return { peak: peak + passing, net: net + bytes };
}

/** Of the host's memory, what a rank takes. */
export function hostBytes(summary: StageSummary, actions: StageActions, scenario: TrainingScenario): number {
  const moved = summary.chunks.map((chunk) => movedOf(scenario, chunk).bytes);
  const alone = { ...summary, sendBytes: 0, once: { ...summary.once, live: nothingAlive } };
  const activations = livePeak(alone, actions, ({ chunk, kind }) => {
    if (kind === 'forward') return { peak: moved[chunk]!, net: moved[chunk]! };
    return kind === 'weightGradient' ? nothingAlive : { peak: 0, net: -moved[chunk]! };
  });
  return activations + (scenario.offload?.optimizer ? optimizerBytes(summary.state, scenario) : 0);
}

/** Moments and what the optimizer works on, and the gradients of its share, which are brought there for it. */
function optimizerBytes({ optimizer }: StateBytes, { formats }: TrainingScenario): number {
  const { moments, master, gradients } = widthsOf(formats);
  return (optimizer * (2 * moments + master + gradients)) / (2 * moments + master);
}
