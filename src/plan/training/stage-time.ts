// What a stage computes and says in a step, in seconds: what its schedule is played with.
import type { Work } from '../../schedule/schedule.ts';
import { once } from '../../step/once.ts';
import type { Software } from '../software/software.ts';
import type { ChunkSummary, CountedTalk, RunSummary, StageSummary, StateBytes } from '../summary/summary.ts';
import type { TrainingCosts } from './costs.ts';
import { movedOf } from './offload-memory.ts';
import { besideCopies, hostLinkSeconds, hostOptimizerSeconds } from './offload-time.ts';
import { addSeconds, chunkSeconds, noSeconds, type RunSeconds, runSeconds } from './run-seconds.ts';
import { type TrainingScenario, widthsOf } from './scenario.ts';
import { sideBySide } from './side-by-side.ts';
import { trainingParameters } from './training-parameters.ts';
import { updatedSeconds } from './updated.ts';

export interface StageTime {
  /** Of one microbatch. */
  readonly work: (work: Pick<Work, 'kind' | 'chunk' | 'beside'>) => RunSeconds;
  /** Of a message to the next stage. */
  readonly send: number;
  /** What gradients and parameters of the step need on the links, and of that what no kernel hides. */
  readonly data: { readonly all: number; readonly exposed: number };
  readonly optimizer: number;
}

export function stageTime(summary: StageSummary, costs: TrainingCosts, scenario: TrainingScenario): StageTime {
  const { software, layout } = scenario;
  const withCopies = (chunk: ChunkSummary, kind: Work['kind'], software: Software): RunSeconds =>
    besideCopies(
      paced(chunkSeconds(chunk, kind, costs, software), meetingsIn(chunk[kind]), costs),
      kind,
      movedOf(scenario, chunk),
      scenario.cluster,
      hostLinkSeconds(chunk[kind].talk, costs),
    );
  // Halves of backwards are looked at where a schedule has them.
  const chunks = summary.chunks.map((kinds) => once((kind: Work['kind']) => withCopies(kinds, kind, software)));
  const apart = summary.chunks.map((kinds) =>
    once((kind: Work['kind']) => withCopies(kinds, kind, { ...software, overlapsExperts: false })),
  );
  /** By the chunk of the forward. */
  const pairs = once((chunk: number) => sideBySide(apart[chunk]!('forward'), apart[1 - chunk]!('backward')));
  const whole = (kind: Work['kind']) => chunks.reduce((sum, chunk) => addSeconds(sum, chunk(kind)), noSeconds);
  const data = dataSeconds(summary.once.talk, costs, software, {
    forward: whole('forward').compute,
    backward: whole('backward').compute,
  });
  const updated = updatedSeconds(summary, scenario, costs);
  return {
    work({ kind, chunk, beside }) {
      if (!beside) return chunks[chunk]!(kind);
      return kind === 'forward' ? pairs(chunk).forward : pairs(1 - chunk).backward;
    },
    send: layout.pp > 1 ? costs.talk({ axis: 'pp', call: 'send', bytes: summary.sendBytes }) : 0,
    data: { all: data.all + updated, exposed: data.exposed + updated },
    optimizer: optimizerOf(summary, costs, scenario, whole('backward').compute),
  };
}

/**
 * Of a microbatch: at its collectives, of which a ring's come in pairs, keys with values. Messages of a pipeline are none: what holds up one stage now and then,
 * the idle times that a schedule leaves the others take up.
 */
const meetingsIn = ({ talk }: RunSummary): number =>
  talk.reduce((sum, { ranks, call, count }) => {
    if (ranks === 1) return sum;
    return sum + (call === 'ringShift' ? count / 2 : count);
  }, 0);

/** Kernels as ranks take them that meet so often; with no meeting in it a step is longer than what its kernels vary over. */
const paced = (seconds: RunSeconds, meetings: number, { pace }: TrainingCosts): RunSeconds => ({
  ...seconds,
  compute: seconds.compute * pace(seconds.compute / meetings),
});

/** `window`: seconds of the last backward. */
function optimizerOf(summary: StageSummary, costs: TrainingCosts, scenario: TrainingScenario, window: number): number {
  const { software, offload } = scenario;
  if (offload?.optimizer) return hostOptimizerSeconds(summary.state, scenario, window);
  return software.fusedOptimizer
    ? optimizerSeconds(summary.state, scenario, costs.parameters)
    : paced(runSeconds(summary.once, costs, software, 'none'), 0, costs).compute;
}

/** Kernels of a microbatch. */
export interface TalkWindow {
  readonly forward: number;
  readonly backward: number;
}

/** Gradients travel beside the backward of the last microbatch, parameters beside the forward of the first. `exposed`: beside so much. */
export function dataTalk(
  all: readonly CountedTalk[],
  costs: TrainingCosts,
  { overlapsGradients, overlapsParameters }: Software,
): { readonly all: number; readonly exposed: (window: TalkWindow) => number } {
  let gradients = 0;
  let parameters = 0;
  for (const talk of all) {
    const seconds = talk.count * costs.talk(talk);
    if (talk.call === 'allGather') parameters += seconds;
    else gradients += seconds;
  }
  const exposed = (seconds: number, hides: boolean, beside: number) =>
    hides ? Math.max(0, seconds - costs.parameters.usedWindow * beside) : seconds;
  return {
    all: gradients + parameters,
    exposed: ({ forward, backward }) =>
      exposed(gradients, overlapsGradients, backward) + exposed(parameters, overlapsParameters, forward),
  };
}

export function dataSeconds(
  talk: readonly CountedTalk[],
  costs: TrainingCosts,
  software: Software,
  window: TalkWindow,
): StageTime['data'] {
  const { all, exposed } = dataTalk(talk, costs, software);
  return { all, exposed: exposed(window) };
}

/** A fused AdamW goes once through all it reads and writes of the rank's own share: gradients twice, for their norm as well. */
export function optimizerSeconds(
  state: StateBytes,
  { formats, cluster }: Pick<TrainingScenario, 'formats' | 'cluster'>,
  { optimizerShare } = trainingParameters,
): number {
  const { moments, master, gradients, parameters } = widthsOf(formats);
  const own = state.optimizer / (2 * moments + master);
  const bytes = 2 * state.optimizer + own * (2 * gradients + parameters);
  return bytes / (optimizerShare * cluster.device.memoryBytesPerSecond);
}
