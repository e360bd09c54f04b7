// What each split of a grid takes and holds at least, by what its parts are known to do of a microbatch.
import type { ScheduleName } from '../../mesh/layout.ts';
import { coordsOf } from '../../mesh/mesh.ts';
import { layerLike } from '../../model/config.ts';
import type { PartName } from '../../model/params.ts';
import { residualShape } from '../../model/parts.ts';
import { elements } from '../../program/program.ts';
import { traceSettings } from '../../step/settings.ts';
import type { StageSummary } from '../summary/summary.ts';
import { type CostModel, trainingCosts } from '../training/costs.ts';
import { stepSettings } from '../training/predict-training.ts';
import { widthsOf } from '../training/scenario.ts';
import { stageMemory } from '../training/stage-memory.ts';
import { stageTime } from '../training/stage-time.ts';
import type { Chunk, KnownKind } from './known-kind.ts';
import { leastActivations, leastState, type PartElements } from './least-memory.ts';
import { leastSpan, type VirtualSeconds } from './least-span.ts';
import type { StepFigures } from './objective.ts';
import { schedulesOf, zerosOf } from './space.ts';
import { type Cut, type Grid, type Leaf, leafScenario, type SearchTask } from './task.ts';

export interface BoundedLeaf {
  readonly leaf: Leaf;
  readonly least: StepFigures;
}

export interface Expanding {
  readonly task: SearchTask;
  readonly model: CostModel;
  readonly grid: Grid;
  readonly known: KnownKind;
  /** Numbers of a rank's parameters of a part. */
  readonly elementsOf: (grid: Grid, name: PartName, layer?: number) => PartElements;
  readonly usableBytes: number;
}

/** Those that are sure not to fit are left out. */
export function* boundedLeaves(expanding: Expanding, cuts: readonly Cut[]): Generator<BoundedLeaf> {
  const { task, grid, usableBytes } = expanding;
  const { pp, microbatches } = grid;
  for (const cut of cuts) {
    const chunks = chunksOf(expanding, cut);
    const states = Array.from({ length: pp }, (_, stage) => stageElements(expanding, cut, stage));
    const computeSeconds = microbatches * leastOfStages(pp, chunks);
    for (const schedule of schedulesOf(pp, cut.virtual)) {
      const activations = states.map((_, stage) => leastActivations(schedule, stage, grid, ofStage(chunks, stage, pp)));
      let span: number | undefined;
      for (const zero of zerosOf(grid)) {
        const leaf: Leaf = { grid, cut, schedule, zero };
        const ends = endsOf(expanding, leaf, states, activations);
        if (ends.memoryBytes > usableBytes) continue;
        span ??= leastSpan(
          { schedule, pp, virtual: cut.virtual, microbatches, send: ends.send, overlaps: task.software.overlapsPipeline },
          secondsOf(schedule, chunks),
        );
        yield { leaf, least: { stepSeconds: span + ends.optimizer, computeSeconds, memoryBytes: ends.memoryBytes } };
      }
    }
  }
}

/** By virtual stage. */
function chunksOf({ known }: Expanding, { sizes }: Cut): Chunk[] {
  let first = 0;
  return sizes.map((size, at) => {
    const range = { first, end: first + size, isFirst: at === 0, isLast: at === sizes.length - 1 };
    first += size;
    return known.chunk(range);
  });
}

const ofStage = <T>(chunks: readonly T[], stage: number, pp: number): T[] =>
  chunks.filter((_, at) => at % pp === stage);

/** Kernels of one microbatch on the stage that has least. */
function leastOfStages(pp: number, chunks: readonly Chunk[]): number {
  const sums = new Float64Array(pp);
  for (const [at, chunk] of chunks.entries())
    sums[at % pp]! += chunk.computeSeconds('forward') + chunk.computeSeconds('backward');
  return Math.min(...sums);
}

function secondsOf(schedule: ScheduleName, chunks: readonly Chunk[]): VirtualSeconds {
  const of = (work: Parameters<Chunk['seconds']>[0], isAsked: boolean) =>
    Float64Array.from(chunks, (chunk) => (isAsked ? chunk.seconds(work) : 0));
  const inHalves = schedule === 'zb-h1';
  return {
    forward: of('forward', true),
    backward: of('backward', !inHalves),
    inputGradient: of('inputGradient', inHalves),
    weightGradient: of('weightGradient', inHalves),
  };
}

function stageElements({ task, grid, elementsOf }: Expanding, { sizes }: Cut, stage: number): PartElements {
  const sum = { shared: 0, experts: 0 };
  const add = ({ shared, experts }: PartElements, count: number): void => {
    sum.shared += count * shared;
    sum.experts += count * experts;
  };
  let first = 0;
  for (const [at, size] of sizes.entries()) {
    if (at % grid.pp === stage) {
      if (at === 0) add(elementsOf(grid, 'embedding'), 1);
      if (at === sizes.length - 1) add(elementsOf(grid, 'head'), 1);
      for (let layer = first; layer < first + size; layer++)
        add(elementsOf(grid, 'block', layerLike(task.config, layer)), 1);
    }
    first += size;
  }
  return sum;
}

interface Ends {
  readonly send: number;
  readonly optimizer: number;
  readonly memoryBytes: number;
}

/** What follows from what stages hold, as a prediction finds it of stages that do nothing else. */
function endsOf(
  { task, model }: Expanding,
  leaf: Leaf,
  states: readonly PartElements[],
  activations: readonly number[],
): Ends {
  const scenario = leafScenario(task, leaf);
  const widths = widthsOf(task.formats);
  const costs = trainingCosts(scenario, model);
  const sendBytes = elements(residualShape(traceSettings(stepSettings(scenario), coordsOf(scenario.layout, 0)))) * widths.activations;
  let [send, optimizer, memoryBytes] = [0, 0, 0];
  for (const [stage, held] of states.entries()) {
    const state = leastState(held, leaf, widths);
    const live = { peak: activations[stage]!, net: 0 };
    const summary: StageSummary = {
      chunks: [],
      once: { kernels: [], talk: [], flops: 0, live },
      sendBytes,
      state,
      own: { step: 0, microbatch: 0 },
    };
    const time = stageTime(summary, costs, scenario);
    send = time.send;
    optimizer = Math.max(optimizer, time.optimizer);
    memoryBytes = Math.max(memoryBytes, stageMemory(summary, [], scenario).total);
  }
  return { send, optimizer, memoryBytes };
}
