// What each split of a grid takes and holds at least, by what its parts are known to do of a microbatch.
import { coordsOf } from '../../mesh/mesh.ts';
import { hasAlikeLayers, layerLike } from '../../model/config.ts';
import type { PartName } from '../../model/params.ts';
import { residualShape } from '../../model/parts.ts';
import { elements } from '../../program/program.ts';
import type { WorkKind } from '../../schedule/schedule.ts';
import { traceSettings } from '../../step/settings.ts';
import type { LiveProfile } from '../summary/summary.ts';
import { type CostModel, type TrainingCosts, trainingCosts } from '../training/costs.ts';
import { stepSettings } from '../training/predict-training.ts';
import { type TrainingScenario, widthsOf } from '../training/scenario.ts';
import { memoryOf } from '../training/stage-memory.ts';
import { dataSeconds, optimizerSeconds } from '../training/stage-time.ts';
import type { Chunk, KnownKind } from './known-kind.ts';
import { addElements, leastActivations, leastState, type PartElements, withMessages } from './least-memory.ts';
import { leastSpan } from './least-span.ts';
import { finishingTalk } from './least-talk.ts';
import type { StepFigures } from './objective.ts';
import { type Order, playedPeak, playedSpan, workIndex } from './played-span.ts';
import { schedulesOf, zerosOf } from './space.ts';
import {
  type Cut,
  type Grid,
  type Leaf,
  type RuledSchedule,
  type SearchTask,
  type SharedGrid,
  sharedLayout,
} from './task.ts';

export interface BoundedLeaf {
  readonly leaf: Leaf;
  readonly least: StepFigures;
  /** Seconds after the schedule, of `least`. */
  readonly after: number;
}

export interface Expanding {
  readonly task: SearchTask;
  readonly model: CostModel;
  readonly grid: SharedGrid;
  readonly known: KnownKind;
  /** Numbers of a rank's parameters of a part. */
  readonly elementsOf: (grid: Grid, name: PartName, layer?: number) => PartElements;
  readonly usableBytes: number;
}

/** Those that are sure not to fit are left out. */
export function* boundedLeaves(expanding: Expanding, cuts: readonly Cut[]): Generator<BoundedLeaf> {
  const { task, grid, usableBytes } = expanding;
  const { pp, microbatches } = grid;
  const costs = costsOf(expanding);
  const message = messageBytes(expanding);
  const send = sendSeconds(message, costs);
  const widths = widthsOf(task.formats);
  const fullest = fullestStages(pp);
  for (const cut of cuts) {
    const chunks = chunksOf(expanding, cut);
    const stages = fullest.map((stage) => {
      const own = chunks.filter((_, at) => at % pp === stage);
      const held = own.map((chunk, i) => withMessages(chunk, i * pp + stage, chunks.length - 1, message));
      return { stage, held, elements: stageElements(expanding, cut, stage), window: windowOf(own) };
    });
    const computeSeconds = microbatches * leastCompute(pp, chunks);
    for (const schedule of schedulesOf(pp, cut.virtual)) {
      const activations = stages.map((each) => leastActivations(schedule, each.stage, grid, each.held));
      let span: number | undefined;
      for (const zero of zerosOf(grid)) {
        const leaf: Leaf = { grid, cut, schedule, zero };
        const states = stages.map((each) => leastState(each.elements, leaf, widths));
        const memoryBytes = Math.max(
          ...states.map((state, i) => memoryOf(state, activations[i]!, task.software).total),
        );
        if (memoryBytes > usableBytes) continue;
        span ??= spanOf(expanding, cut, schedule, chunks, send);
        const after = stages.map(({ elements, window }, i) => {
          const said = finishingTalk(task, grid, zero, elements);
          const optimizer = task.software.fusedOptimizer ? optimizerSeconds(states[i]!, task) : 0;
          return optimizer + dataSeconds(said, costs, task.software, window).exposed;
        });
        yield {
          leaf,
          least: { stepSeconds: span + Math.max(...after), computeSeconds, memoryBytes },
          after: Math.max(...after),
        };
      }
    }
  }
}

/** Others hold less: the embedding and the head are at the ends, and the first stages have most microbatches under way. */
const fullestStages = (pp: number): number[] => [...new Set([0, Math.min(1, pp - 1), pp - 1])];

/** The same with its schedule played. */
export function playedLeaf(expanding: Expanding, { leaf, least, after }: BoundedLeaf, order: Order): StepFigures {
  const { task, grid } = expanding;
  const chunks = chunksOf(expanding, leaf.cut);
  const message = messageBytes(expanding);
  const send = sendSeconds(message, costsOf(expanding));
  const busy = task.software.overlapsPipeline ? 0 : send;
  const works = new Float64Array(4 * chunks.length);
  const live: LiveProfile[] = [];
  const last = chunks.length - 1;
  for (const [at, chunk] of chunks.entries()) {
    const held = withMessages(chunk, at, last, message);
    const set = (kind: WorkKind, seconds: number): void => {
      works[workIndex(at, kind)] = seconds;
      live[workIndex(at, kind)] = held(kind);
    };
    set('forward', chunk.forward + (at < last ? busy : 0));
    if (leaf.schedule === 'zb-h1') {
      set('inputGradient', chunk.halves.inputGradient + (at > 0 ? busy : 0));
      set('weightGradient', chunk.halves.weightGradient);
    } else set('backward', chunk.backward + (at > 0 ? busy : 0));
  }
  const span = playedSpan(order, { works, transit: send - busy });
  const held = fullestStages(grid.pp).map((stage) => {
    const state = leastState(stageElements(expanding, leaf.cut, stage), leaf, widthsOf(task.formats));
    return memoryOf(state, playedPeak(order, stage, live), task.software).total;
  });
  return {
    stepSeconds: Math.max(least.stepSeconds, span + after),
    computeSeconds: least.computeSeconds,
    memoryBytes: Math.max(least.memoryBytes, ...held),
  };
}

const scenarioOf = ({ task, grid }: Expanding): TrainingScenario => ({
  ...task,
  layout: sharedLayout(grid),
  microBatch: grid.kind.microBatch,
  microbatches: grid.microbatches,
});

const costsOf = (expanding: Expanding): TrainingCosts => trainingCosts(scenarioOf(expanding), expanding.model);

const sendSeconds = (bytes: number, costs: TrainingCosts): number =>
  bytes > 0 ? costs.talk({ axis: 'pp', call: 'send', bytes }) : 0;

/** Of a message to the next stage; 0: there is none. */
function messageBytes(expanding: Expanding): number {
  if (expanding.grid.pp === 1) return 0;
  const scenario = scenarioOf(expanding);
  const residual = residualShape(traceSettings(stepSettings(scenario), coordsOf(scenario.layout, 0)));
  return elements(residual) * widthsOf(scenario.formats).activations;
}

/** What runs beside the talk of gradients and parameters: kernels of one microbatch. */
const windowOf = (chunks: readonly Chunk[]) => ({
  forward: chunks.reduce((sum, { compute }) => sum + compute.forward, 0),
  backward: chunks.reduce((sum, { compute }) => sum + compute.backward, 0),
});

/** By virtual stage. */
function chunksOf({ known }: Expanding, { sizes }: Cut): Chunk[] {
  let first = 0;
  return sizes.map((size, at) => {
    const range = { first, end: first + size, isFirst: at === 0, isLast: at === sizes.length - 1 };
    first += size;
    return known.chunk(range);
  });
}

/** Seconds of kernels of one microbatch on the stage that has least. */
function leastCompute(pp: number, chunks: readonly Chunk[]): number {
  const sums = new Float64Array(pp);
  for (const [at, { compute }] of chunks.entries()) sums[at % pp]! += compute.forward + compute.backward;
  return Math.min(...sums);
}

function spanOf(
  { task, grid }: Expanding,
  { virtual }: Cut,
  schedule: RuledSchedule,
  chunks: readonly Chunk[],
  send: number,
): number {
  const { pp, microbatches } = grid;
  const inHalves = schedule === 'zb-h1';
  return leastSpan(
    { schedule, pp, virtual, microbatches, send, overlaps: task.software.overlapsPipeline },
    {
      forward: chunks.map(({ forward }) => forward),
      backward: chunks.map((chunk) => (inHalves ? chunk.halves.inputGradient : chunk.backward)),
      weightGradient: inHalves ? chunks.map(({ halves }) => halves.weightGradient) : [],
    },
  );
}

function stageElements({ task, grid, elementsOf }: Expanding, { sizes }: Cut, stage: number): PartElements {
  const all: { each: PartElements; count: number }[] = [];
  let first = 0;
  for (const [at, size] of sizes.entries()) {
    if (at % grid.pp === stage) {
      if (at === 0) all.push({ each: elementsOf(grid, 'embedding'), count: 1 });
      if (at === sizes.length - 1) all.push({ each: elementsOf(grid, 'head'), count: 1 });
      if (hasAlikeLayers(task.config)) all.push({ each: elementsOf(grid, 'block'), count: size });
      else
        for (let layer = first; layer < first + size; layer++)
          all.push({ each: elementsOf(grid, 'block', layerLike(task.config, layer)), count: 1 });
    }
    first += size;
  }
  return addElements(all);
}
