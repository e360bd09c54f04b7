// The best layouts of a cluster, found best first: what is bounded to be worse than the best is never looked at closer, so that none of them is missed.
import { printLayout } from '../../mesh/layout.ts';
import { remember } from '../../step/once.ts';
import { kindsOf as kindsOfDevices } from '../hardware/kinds.ts';
import type { CostModel } from '../training/costs.ts';
import { fitsAll, usableBytes } from '../training/fits.ts';
import { predictTraining } from '../training/predict-training.ts';
import type { TrainingPrediction, TrainingScenario } from '../training/scenario.ts';
import { selectionTakesLonger } from '../training/selection.ts';
import type { BoundedLeaf } from './bounded-leaf.ts';
import { type BoundedCut, type Bounds, boundsOf } from './bounds.ts';
import { settle } from './ease.ts';
import { createHeap } from './heap.ts';
import { looseBounds } from './loose-bounds.ts';
import { figuresOf, type ObjectiveName, objectiveValue, type StepFigures } from './objective.ts';
import { type AlikeKinds, alikeKinds, type GridSize, gridsOfKind, pipeKey, sharingsOf } from './space.ts';
import { type Grid, type Kind, type SearchTask, type SharedGrid, sharings } from './task.ts';

export interface SearchOptions {
  readonly objective: ObjectiveName;
  /** So many layouts are wanted. */
  readonly top: number;
  /** Layouts that fit and are known already: only better ones are looked for, to stand beside them. Of use where one is wanted. */
  readonly known?: readonly Found[];
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
  /** Of the others, and of what is left of those that do not fit with something given up, those that were predicted in full. */
  readonly predicted: number;
  /** Those that do not fit were looked at with something given up for room too. */
  readonly mayGive: boolean;
}

/** Of a search that goes on: of so many grids, those that have been looked at; the others are bounded to be no better than `bound`. */
export interface Searching {
  readonly grids: number;
  readonly looked: number;
  readonly predicted: number;
  readonly bound: number;
}

/**
 * Stops now and then, to be gone on with. Layouts that do not fit give up something for room; only if none fits without, where the least memory is asked
 * for, or there are too many to look at them all with what they may give up: of devices of several kinds bounds are too loose for that.
 */
export function* searchLayouts(
  task: SearchTask,
  model: CostModel,
  options: SearchOptions,
): Generator<Searching, SearchResult, void> {
  const kinds = alikeKinds(task);
  const asked = { task, model, options, kinds };
  const isMany = countGrids(kinds) > mostGridsGiving || kindsOfDevices(task.cluster).length > 1;
  if (options.objective !== 'memory' && !isMany) return yield* searchAll(asked, true);
  const whole = yield* searchAll(asked, false);
  return whole.found.length > 0 ? whole : yield* searchAll(asked, true);
}

/** Of twice as many (deepseek-v3 on 2,048 devices) the search took minutes, and more memory than a process has. */
const mostGridsGiving = 200_000;

const countGrids = (all: readonly AlikeKinds[]): number =>
  all.reduce((sum, { kinds, sizes }) => sum + kinds.length * sizes.length, 0);

interface Searched {
  readonly task: SearchTask;
  readonly model: CostModel;
  readonly options: SearchOptions;
  readonly kinds: readonly AlikeKinds[];
}

function* searchAll(
  { task, model, options, kinds }: Searched,
  mayGive: boolean,
): Generator<Searching, SearchResult, void> {
  const { objective, top, known = [] } = options;
  const usable = Math.min(...kindsOfDevices(task.cluster).map(usableBytes));
  const worthOf = (figures: StepFigures) => objectiveValue(objective, task.cluster, figures);
  const isMixed = kindsOfDevices(task.cluster).length > 1;
  const bounds = (isMixed ? looseBounds : boundsOf)(
    task,
    model,
    kinds.flatMap((alike) => alike.kinds),
    mayGive,
  );
  const open = createHeap<Node>((node) => node.value);
  for (const all of kinds)
    for (const alike of byKernels(all, task)) {
      const [any] = gridsOfKind(alike.kinds[0]!, alike.sizes);
      open.push({ value: roundedDown * worthOf(bounds.ofKind(any!)), alike });
    }
  const grids = countGrids(kinds);
  const found: Found[] = [...known];
  let [predicted, whole, looked, nodes] = [0, 0, 0, 0];
  const searching = (bound: number): Searching => ({ grids, looked, predicted, bound });
  const worst = () => (found.length < top ? Number.POSITIVE_INFINITY : found[top - 1]!.value);
  const push = (node: Node): void => {
    if (node.value < worst()) open.push(node);
  };
  const atLeast = (least: StepFigures, { value }: Node): number => Math.max(value, roundedDown * worthOf(least));
  for (let node = open.pop(); node && node.value < worst(); node = open.pop()) {
    if (nodes++ % nodesBetweenStops === 0) yield searching(node.value);
    if ('alike' in node) {
      let least = Number.POSITIVE_INFINITY;
      const { kinds, sizes } = node.alike;
      for (const grid of gridsOfKind(kinds[0]!, sizes)) {
        const figures = bounds.ofKernels(grid, usable);
        if (figures) least = Math.min(least, atLeast(figures, node));
      }
      for (const kind of kinds) push({ value: least, kind, sizes });
      continue;
    }
    if ('kind' in node) {
      for (const grid of gridsOfKind(node.kind, node.sizes)) {
        const least = bounds.ofGrid(grid, usable);
        if (least) push({ value: atLeast(least, node), grid });
      }
      continue;
    }
    if ('grid' in node) {
      looked += 1;
      for (const sharing of sharingsOf(node.grid)) {
        const shared = { ...node.grid, sharing };
        const least = bounds.ofShared(shared, usable);
        if (least) push({ value: atLeast(least, node), shared });
      }
      continue;
    }
    if ('shared' in node) {
      for (const cut of bounds.ofCuts(node.shared, usable)) push({ value: atLeast(cut.least, node), cut });
      continue;
    }
    if ('cut' in node) {
      const { cut } = node;
      if (node.isRough) {
        for (const leaf of cut.leaves()) push({ value: atLeast(leaf.least, node), leaf });
      } else {
        const values = cut.rough().map(({ least }) => atLeast(least, node));
        push({ value: Math.min(...values), cut, isRough: true });
      }
      continue;
    }
    const giveUp = (leaf: BoundedLeaf): void => {
      for (const eased of bounds.ofEased(leaf, usable)) push({ value: atLeast(eased.least, node), leaf: eased });
    };
    if (!('isPlayed' in node)) {
      const played = bounds.ofPlayed(node.leaf, usable);
      if (!played) continue;
      if (played.least.memoryBytes > usable) giveUp(played);
      else push({ value: atLeast(played.least, node), leaf: played, isPlayed: true });
      continue;
    }
    const scenario = settle(task, node.leaf.leaf, node.leaf.given);
    if (!scenario) continue;
    const prediction = predictTraining(scenario, model);
    predicted += 1;
    if (!node.leaf.leaf.ease) whole += 1;
    const each = { scenario, prediction, value: worthOf(figuresOf(prediction)) };
    if (fitsAll(scenario, prediction)) insert(found, each, top);
    else giveUp(node.leaf);
  }
  const judged = countLayouts(bounds, kinds);
  return { found, judged, pruned: judged - whole, predicted, mayGive };
}

const nodesBetweenStops = 64;

/**
 * What is looked at next: all splits of kinds whose kernels take the same, those of a kind, of one of its grids, those that share out so much, of a
 * way to cut layers, or one of them, whose schedule was played.
 */
type Node = { readonly value: number } & (
  | { readonly alike: AlikeKinds }
  | { readonly kind: Kind; readonly sizes: readonly GridSize[] }
  | { readonly grid: Grid }
  | { readonly shared: SharedGrid }
  | { readonly cut: BoundedCut; readonly isRough?: true }
  | { readonly leaf: BoundedLeaf; readonly isPlayed?: true }
);

/** Bounds are sums in another order than the prediction's. */
const roundedDown = 1 - 1e-9;

/** Those whose kernels take the same: a selection takes none of those anew that are counted, but where it takes longer. */
function byKernels({ kinds, sizes }: AlikeKinds, { software }: SearchTask): AlikeKinds[] {
  const selects = selectionTakesLonger(software);
  const isApart = ({ recompute }: Kind): boolean => recompute === 'full' || (selects && recompute === 'selective');
  const together = kinds.filter((kind) => !isApart(kind));
  return [together, ...kinds.filter(isApart).map((kind) => [kind])].map((kinds) => ({ kinds, sizes }));
}

/** As many of all grids of as many stages, but for those that have nobody to share with. */
function countLayouts(bounds: Bounds, all: readonly AlikeKinds[]): number {
  const counts = new Map<number, number>();
  const countGrid = (grid: Grid): number => {
    const all = sharingsOf(grid);
    return remember(counts, pipeKey(grid) * sharings.length + all.length, () =>
      all.reduce<number>((sum, sharing) => sum + bounds.countLeaves(grid, sharing), 0),
    );
  };
  // Kinds that have the same sizes have as many to share with.
  const ofSizes = new Map<AlikeKinds['sizes'], number>();
  const countKind = ({ kinds, sizes }: AlikeKinds): number =>
    remember(ofSizes, sizes, () => gridsOfKind(kinds[0]!, sizes).reduce((sum, grid) => sum + countGrid(grid), 0));
  return all.reduce((sum, each) => sum + each.kinds.length * countKind(each), 0);
}

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
