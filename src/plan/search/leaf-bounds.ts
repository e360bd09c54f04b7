// What each split of a grid takes and holds at least, by what its parts are known to do of a microbatch.
import type { Zero } from '../../mesh/layout.ts';
import { coordsOf } from '../../mesh/mesh.ts';
import type { PartName } from '../../model/params.ts';
import { residualShape } from '../../model/parts.ts';
import { elements } from '../../program/program.ts';
import { once } from '../../step/once.ts';
import { traceSettings } from '../../step/settings.ts';
import type { StateBytes } from '../summary/summary.ts';
import { type CostModel, type TrainingCosts, trainingCosts } from '../training/costs.ts';
import { hostOptimizerSeconds } from '../training/offload-time.ts';
import { stepSettings } from '../training/predict-training.ts';
import { type TrainingScenario, widthsOf } from '../training/scenario.ts';
import { dataSeconds, dataTalk, optimizerSeconds, type TalkWindow } from '../training/stage-time.ts';
import { bothWaysSeconds, bothWaysSpan } from './both-ways-span.ts';
import type { BoundedLeaf, Held, StageState } from './bounded-leaf.ts';
import { type ChunkSeconds, chunkSeconds } from './chunk-seconds.ts';
import type { CutPlan, StagePlan } from './cut-plan.ts';
import { allOf, nothingGiven } from './ease.ts';
import { leastRoom } from './eased-leaves.ts';
import type { KnownKind } from './known-kind.ts';
import { leastActivations, leastState, withMessages } from './least-memory.ts';
import { type LeastSpan, leastSpan } from './least-span.ts';
import { finishingTalk } from './least-talk.ts';
import { addElements, type PartElements } from './part-elements.ts';
import { schedulesOf, zerosOf } from './space.ts';
import {
  foldedSize,
  type Grid,
  type Leaf,
  type RuledSchedule,
  type SearchTask,
  type SharedGrid,
  sharedLayout,
} from './task.ts';

export interface Expanding {
  readonly task: SearchTask;
  readonly model: CostModel;
  readonly grid: SharedGrid;
  readonly known: KnownKind;
  /** Numbers of a rank's parameters of a part. */
  readonly elementsOf: (grid: Grid, name: PartName, layer?: number) => PartElements;
  readonly usableBytes: number;
  /** Layouts that do not fit may give up something. */
  readonly mayGive: boolean;
}

/** Of a way to cut layers; those that are sure not to fit, whatever they give up, are left out. */
export function boundedLeaves(expanding: Expanding): (plan: CutPlan) => BoundedLeaf[] {
  const { task, grid, known, usableBytes } = expanding;
  const costs = costsOf(expanding);
  const message = messageBytes(expanding);
  const send = sendSeconds(message, costs);
  const stateOf = stageStates(expanding);
  const zeros = zerosOf(grid, grid.sharing);
  const all = expanding.mayGive ? allOf(task, grid.kind) : undefined;
  return (plan) => {
    const found: BoundedLeaf[] = [];
    const { cut, fullest } = plan;
    const live = fullest.map(({ places, chunks }) =>
      chunks.map((chunk, i) => withMessages(known.chunk(chunk), places[i]!, plan.chunks.length - 1, message)),
    );
    let chunks: ChunkSeconds | undefined;
    for (const schedule of schedulesOf(task.software, grid, cut.virtual)) {
      const activations = fullest.map(({ stage }, i) => leastActivations(schedule, stage, grid, live[i]!));
      let span: LeastSpan | undefined;
      for (const zero of zeros) {
        const states = fullest.map(({ parts }) => stateOf(parts, zero));
        const held = states.map((state, i): Held => ({ state, activations: activations[i]! }));
        const leaf: Leaf = { grid, cut, schedule, zero };
        // What seems to fit may still not, and give up something.
        const whole = leastRoom(task, held);
        const memoryBytes = all ? Math.min(whole, leastRoom(task, held, all)) : whole;
        if (memoryBytes > usableBytes) continue;
        chunks ??= chunkSeconds(
          grid,
          plan.chunks.map((range) => known.chunk(range)),
        );
        const { leastKernels } = chunks;
        span ??= spanOf(expanding, plan, schedule, chunks, send);
        const [seconds, after] = known.isLeast
          ? leastStep(expanding, plan, span, chunks, schedule, states, costs)
          : knownStep(expanding, plan, span, chunks, states, costs);
        const least = {
          stepSeconds: seconds,
          memoryBytes,
          // Asked for where energy is what counts.
          get computeSeconds() {
            return foldedSize(grid).microbatches * leastKernels(schedule);
          },
        };
        found.push({ leaf, plan, least, span: span.seconds, after, held, given: nothingGiven });
      }
    }
    return found;
  };
}

/** Seconds of a step, and of it those after its schedule: of the stage that has most of them. */
function knownStep(
  { task }: Expanding,
  { fullest }: CutPlan,
  { seconds }: LeastSpan,
  { kernels }: ChunkSeconds,
  states: readonly StageState[],
  costs: TrainingCosts,
): readonly [step: number, after: number] {
  const windows = fullest.map(({ stage }) => kernels(stage));
  const after = secondsAfter(task, states, windows, costs, task.offload?.optimizer ?? false);
  return [seconds + after, after];
}

/** After the schedule, of the stage that has most; `onHost`: what the optimizer works on. */
export function secondsAfter(
  task: SearchTask,
  states: readonly StageState[],
  windows: readonly TalkWindow[],
  costs: TrainingCosts,
  onHost: boolean,
): number {
  const all = states.map(({ talk, optimizer, bytes }, i) => {
    const window = windows[i]!;
    const own = onHost ? hostOptimizerSeconds(bytes, task, window.backward) : optimizer;
    return own + dataSeconds(talk, costs, task.software, window).exposed;
  });
  return Math.max(...all);
}

/**
 * The same where chunks may do more than is known of them. That hides more after the schedule, but is in the schedule as well, as often at least:
 * on a stage's own time, and on all that decides the schedule's where layers are alike and stages have about as many, but for the head's.
 */
function leastStep(
  { task, grid }: Expanding,
  { fullest, unevenness }: CutPlan,
  span: LeastSpan,
  { works, halves }: ChunkSeconds,
  schedule: RuledSchedule,
  states: readonly StageState[],
  costs: TrainingCosts,
): readonly [step: number, after: number] {
  const areAlike = !grid.isBothWays && grid.sharing === 0 && unevenness <= grid.microbatches;
  let [most, sure] = [0, 0];
  for (const [i, { stage }] of fullest.entries()) {
    const { talk, optimizer } = states[i]!;
    const { exposed } = dataTalk(talk, costs, task.software);
    const hidden = optimizer + exposed(schedule === 'zb-h1' ? halves(stage) : works(stage));
    const own = areAlike && stage < grid.pp - 1 ? span.seconds : span.ofStages[stage]!;
    most = Math.max(most, own + hidden, areAlike ? span.throughHead + hidden : 0);
    sure = Math.max(sure, optimizer + exposed(everything));
  }
  return [Math.max(most, span.seconds + sure), sure];
}

const everything: TalkWindow = { forward: Number.POSITIVE_INFINITY, backward: Number.POSITIVE_INFINITY };

/** Of what its parts hold, by what of it is shared out. */
export function stageStates({
  task,
  grid,
  elementsOf,
}: Expanding): (parts: StagePlan['parts'], zero: Zero) => StageState {
  const widths = widthsOf(task.formats);
  const make = (parts: StagePlan['parts'], zero: Zero): StageState => {
    const elements = elementsIn(grid, elementsOf, parts);
    const bytes = leastState(elements, { grid, zero }, widths);
    const optimizer = optimizerAtLeast(bytes, task);
    return { bytes, talk: finishingTalk(task, grid, zero, elements), optimizer };
  };
  const known = new Map<StagePlan['parts'], StageState[]>();
  return (parts, zero) => {
    const ofZeros = known.get(parts) ?? [];
    known.set(parts, ofZeros);
    ofZeros[zero] ??= make(parts, zero);
    return ofZeros[zero];
  };
}

function optimizerAtLeast(bytes: StateBytes, task: SearchTask): number {
  if (task.offload?.optimizer) return hostOptimizerSeconds(bytes, task, Number.POSITIVE_INFINITY);
  return task.software.fusedOptimizer ? optimizerSeconds(bytes, task) : 0;
}

const scenarioOf = ({ task, grid }: Pick<Expanding, 'task' | 'grid'>): TrainingScenario => ({
  ...task,
  layout: sharedLayout(grid),
  microBatch: grid.kind.microBatch,
  microbatches: grid.microbatches,
});

export function costsOf(expanding: Expanding): TrainingCosts {
  const costs = trainingCosts(scenarioOf(expanding), expanding.model);
  return { ...costs, talk: once(costs.talk) };
}

export const sendSeconds = (bytes: number, costs: TrainingCosts): number =>
  bytes > 0 ? costs.talk({ axis: 'pp', call: 'send', bytes }) : 0;

/** Of a message to the next stage; 0: there is none. */
export function messageBytes(expanding: Pick<Expanding, 'task' | 'grid'>): number {
  if (expanding.grid.pp === 1) return 0;
  const scenario = scenarioOf(expanding);
  const residual = residualShape(traceSettings(stepSettings(scenario), coordsOf(scenario.layout, 0)));
  return elements(residual) * widthsOf(scenario.formats).activations;
}

function spanOf(
  { task, grid, known }: Expanding,
  { cut: { virtual } }: CutPlan,
  schedule: RuledSchedule,
  { forward, backward, all }: ChunkSeconds,
  send: number,
): LeastSpan {
  const { pp, microbatches } = grid;
  const { overlapsPipeline: overlaps } = task.software;
  if (grid.isBothWays) return bothWaysSpan({ pp, microbatches, send, overlaps }, bothWaysSeconds(all, known.isLeast));
  const inHalves = schedule === 'zb-h1';
  return leastSpan(
    { schedule, pp, virtual, microbatches, send, overlaps },
    {
      forward,
      backward: inHalves ? Float64Array.from(all, ({ halves }) => halves.inputGradient) : backward,
      weightGradient: inHalves ? Float64Array.from(all, ({ halves }) => halves.weightGradient) : none,
    },
  );
}

const none = new Float64Array();

const elementsIn = (grid: Grid, elementsOf: Expanding['elementsOf'], parts: StagePlan['parts']): PartElements =>
  addElements(parts.map(({ name, layer, count }) => ({ each: elementsOf(grid, name, layer), count })));
