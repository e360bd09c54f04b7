// The best layouts of a cluster, found best first: what is bounded to be worse than the best is never looked at closer, so that none of them is missed.
import { printLayout } from '../../mesh/layout.ts';
import type { CostModel } from '../training/costs.ts';
import { fits, usableBytes } from '../training/fits.ts';
import { predictTraining } from '../training/predict-training.ts';
import type { TrainingPrediction, TrainingScenario } from '../training/scenario.ts';
import { type Bounds, boundsOf } from './bounds.ts';
import { createHeap } from './heap.ts';
import { figuresOf, type ObjectiveName, objectiveValue, type StepFigures } from './objective.ts';
import { gridsOf } from './space.ts';
import { type Grid, type Leaf, leafScenario, type SearchTask } from './task.ts';

export interface SearchOptions {
  readonly objective: ObjectiveName;
  /** So many layouts are wanted. */
  readonly top: number;
}

export interface Found {
  readonly scenario: TrainingScenario;
  readonly prediction: TrainingPrediction;
  /** Of the objective: less is better. */
  readonly value: number;
}

export interface SearchResult {
  /** The best first; fewer than asked for where fewer fit. */
  readonly found: readonly Found[];
  /** Layouts in the space, and of them those that bounds ruled out. */
  readonly judged: number;
  readonly pruned: number;
  /** Where none fits: the one that holds least of those that were predicted. */
  readonly nearest?: Found;
}

/** Of a search that goes on: bounds below `bound` are all looked at, and the best layout so far has `best`. */
export interface Searching {
  readonly predicted: number;
  readonly bound: number;
  readonly best?: number;
}

/** Stops after every prediction, to be gone on with. */
export function* searchLayouts(
  task: SearchTask,
  model: CostModel,
  options: SearchOptions,
): Generator<Searching, SearchResult, void> {
  const { objective, top } = options;
  const bounds = boundsOf(task, model);
  const usable = usableBytes(task.cluster.device);
  const valueOf = (figures: StepFigures) => objectiveValue(objective, task.cluster, figures);
  const grids = gridsOf(task);
  const open = createHeap<Node>((node) => node.value);
  for (const grid of grids) {
    const least = bounds.ofGrid(grid);
    if (least.memoryBytes <= usable) open.push({ value: valueOf(least), grid });
  }
  const found: Found[] = [];
  let predicted = 0;
  const worst = () => (found.length < top ? Number.POSITIVE_INFINITY : found[top - 1]!.value);
  for (let node = open.pop(); node && node.value < worst(); node = open.pop()) {
    if (node.leaf === undefined) {
      for (const { leaf, least } of bounds.ofLeaves(node.grid, usable)) {
        const value = Math.max(valueOf(least), node.value);
        if (value < worst()) open.push({ value, grid: node.grid, leaf });
      }
      continue;
    }
    const scenario = leafScenario(task, node.leaf);
    const prediction = predictTraining(scenario, model);
    predicted += 1;
    const each = { scenario, prediction, value: valueOf(figuresOf(prediction)) };
    if (fits(prediction.memory, task.cluster.device)) insert(found, each, top);
    yield { predicted, bound: node.value, ...(found[0] ? { best: found[0].value } : {}) };
  }
  const judged = countLayouts(bounds, grids);
  return { found, judged, pruned: judged - predicted };
}

interface Node {
  readonly value: number;
  readonly grid: Grid;
  readonly leaf?: Leaf;
}

const countLayouts = (bounds: Bounds, grids: readonly Grid[]): number =>
  grids.reduce((sum, grid) => sum + bounds.countLeaves(grid), 0);

/** Of equally good ones the one that holds less is first, then by name. */
export function isBetter(a: Found, b: Found): boolean {
  if (a.value !== b.value) return a.value < b.value;
  const [held, other] = [a.prediction.memory.total, b.prediction.memory.total];
  return held !== other ? held < other : printLayout(a.scenario.layout) < printLayout(b.scenario.layout);
}

function insert(found: Found[], each: Found, top: number): void {
  const at = found.findIndex((other) => isBetter(each, other));
  found.splice(at < 0 ? found.length : at, 0, each);
  if (found.length > top) found.length = top;
}

/** The whole search in one go. */
export function bestLayouts(task: SearchTask, model: CostModel, options: SearchOptions): SearchResult {
  const search = searchLayouts(task, model, options);
  for (;;) {
    const { done, value } = search.next();
    if (done) return value;
  }
}
