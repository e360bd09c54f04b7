// What steps take and hold at least: of all splits of a grid without tracing anything, and of each of them by what its parts are known to do.
import { largestAxis } from '../../mesh/layout.ts';
import type { PartName } from '../../model/params.ts';
import { once } from '../../step/once.ts';
import type { CostModel } from '../training/costs.ts';
import { type CutPlan, cutPlans } from './cut-plan.ts';
import {
  type LeastWork,
  leastFinishingSeconds,
  leastGridBytes,
  leastGridSeconds,
  leastLayers,
  leastProductWork,
  leastWork,
} from './grid-bounds.ts';
import { type KnownKind, knowKind, leastKind } from './known-kind.ts';
import { knownTalk } from './known-talk.ts';
import { type BoundedLeaf, boundedLeaves, type Expanding, playedLeaf } from './leaf-bounds.ts';
import { leastCosts } from './least-costs.ts';
import { leastParts } from './least-parts.ts';
import { alikeLayers, knownProducts } from './least-products.ts';
import { samplerOf } from './least-sample.ts';
import type { StepFigures } from './objective.ts';
import { addElements, type PartElements, partElements } from './part-elements.ts';
import { type Order, orderOf } from './played-span.ts';
import { schedulesOf, zerosOf } from './space.ts';
import type { Grid, Kind, SearchTask, SharedGrid } from './task.ts';
import { tensorSeconds } from './tensor-seconds.ts';

export interface Bounds {
  /** Of every split of a grid, by its products, sums over tp and parameters alone. */
  readonly ofProducts: (grid: Grid) => StepFigures;
  /** The same by all that its layers do and keep at least, whatever it shares out; undefined: they are sure not to fit in `usableBytes`. */
  readonly ofGrid: (grid: Grid, usableBytes: number) => StepFigures | undefined;
  /** Of every split that shares out so much. */
  readonly ofShared: (grid: SharedGrid, usableBytes: number) => StepFigures | undefined;
  /** Of each by what its parts do at least, without tracing them; those that are sure not to fit in `usableBytes` are left out. */
  readonly ofRough: (grid: SharedGrid, usableBytes: number) => BoundedLeaf[];
  /** The same by what its parts are known to do. */
  readonly ofLeaves: (grid: SharedGrid, usableBytes: number) => BoundedLeaf[];
  /** And with its schedule played. */
  readonly ofPlayed: (leaf: BoundedLeaf) => StepFigures;
  /** How many there are. */
  readonly countLeaves: (grid: SharedGrid) => number;
}

/** `kinds`: those of all grids that there are. */
export function boundsOf(task: SearchTask, costs: CostModel, all: readonly Kind[]): Bounds {
  const model = knownTalk(costs);
  const kinds = new Map<string, KnownKind>();
  const plans = new Map<number, readonly CutPlan[]>();
  const orders = new Map<string, Order>();
  const parameters = new Map<string, PartElements>();
  const layers = alikeLayers(task.config);
  const plansFor = (pp: number) => remember(plans, pp, () => cutPlans(task.config, pp));
  const elementsOf = (grid: Grid, name: PartName, layer = 0): PartElements =>
    remember(parameters, `${name} ${layer} ${grid.kind.tp} ${grid.kind.ep} ${grid.pp === 1}`, () =>
      partElements(task, grid, { name, layer }),
    );
  const least = leastCosts(model, task.cluster);
  const productsOf = knownProducts(task, least);
  const partsOf = leastParts(task, least, samplerOf(task, all), productsOf, elementsOf);
  /** That every layer has, and the embedding. */
  const leasts = new Map<number, { readonly layer: PartElements; readonly embedding: PartElements }>();
  const leastsOf = (grid: Grid) =>
    remember(leasts, 2 * (grid.kind.tp * largestAxis + grid.kind.ep) + (grid.pp === 1 ? 1 : 0), () => {
      const all = layers.map(({ layer }) => elementsOf(grid, 'block', layer));
      const least = (of: keyof PartElements) => Math.min(...all.map((each) => each[of]));
      const layer = { own: least('own'), alike: least('alike'), experts: least('experts') };
      return { layer, embedding: elementsOf(grid, 'embedding') };
    });
  /** That every stage has. */
  const leastElements = (grid: Grid): PartElements =>
    addElements([{ each: leastsOf(grid).layer, count: leastLayers(task.config.layers, grid.pp) }]);
  /** Of a kind of which nothing is shared out. */
  const unshared = new Map<Kind, UnsharedKind>();
  const ofKind = (grid: Grid): UnsharedKind =>
    remember(unshared, grid.kind, () => {
      const alone = { ...grid, sharing: 0 } as const;
      const parts = partsOf(alone);
      const known = leastKind(task, alone, parts);
      const kept = layers.map(({ layer }) => {
        const range = { first: layer, end: layer + 1, isFirst: false, isLast: false, key: `layer ${layer}` };
        return known.chunk(range).live('forward').net;
      });
      return { work: once(() => leastWork(layers, parts)), kept: Math.max(0, Math.min(...kept)) };
    });
  const bytesOf = (grid: SharedGrid, kept: number): number => {
    const { layer, embedding } = leastsOf(grid);
    const count = leastLayers(task.config.layers, grid.pp);
    return leastGridBytes(
      task,
      grid,
      addElements([
        { each: layer, count },
        { each: embedding, count: 1 },
      ]),
      kept,
    );
  };
  const talkOf = tensorSeconds(task, model);
  const productWorks = new Map<Kind, LeastWork>();
  const productWork = (kind: Kind) =>
    remember(productWorks, kind, () => leastProductWork(layers, kind, productsOf, talkOf(kind)));
  const expanding = (grid: SharedGrid, known: KnownKind, usableBytes: number): Expanding => ({
    ...{ task, model, grid, known, elementsOf, usableBytes },
  });
  const traced = (grid: SharedGrid) => remember(kinds, kindKey(grid), () => knowKind(task, grid, model));
  return {
    ofProducts: (grid) => ({
      stepSeconds: leastGridSeconds(task, grid, productWork(grid.kind)),
      computeSeconds: 0,
      memoryBytes: bytesOf({ ...grid, sharing: 3 }, 0),
    }),
    ofGrid(grid, usableBytes) {
      const { work, kept } = ofKind(grid);
      const memoryBytes = bytesOf({ ...grid, sharing: 3 }, kept);
      if (memoryBytes > usableBytes) return undefined;
      return { stepSeconds: leastGridSeconds(task, grid, work()), computeSeconds: 0, memoryBytes };
    },
    ofShared(grid, usableBytes) {
      const memoryBytes = bytesOf(grid, ofKind(grid).kept);
      if (memoryBytes > usableBytes) return undefined;
      const parts = partsOf(grid);
      const work = grid.sharing === 0 ? ofKind(grid).work() : leastWork(layers, parts);
      const seconds = leastGridSeconds(task, grid, work);
      return {
        stepSeconds: seconds + leastFinishingSeconds(task, grid, work, leastElements(grid), parts.costs),
        computeSeconds: 0,
        memoryBytes,
      };
    },
    ofRough: (grid, usableBytes) =>
      boundedLeaves(expanding(grid, leastKind(task, grid, partsOf(grid)), usableBytes), plansFor(grid.pp)),
    ofLeaves: (grid, usableBytes) => boundedLeaves(expanding(grid, traced(grid), usableBytes), plansFor(grid.pp)),
    ofPlayed(bounded) {
      const { grid, cut, schedule } = bounded.leaf;
      const layout = { pp: grid.pp, virtual: cut.virtual, schedule };
      const key = `${schedule} ${grid.pp} ${cut.virtual} ${grid.microbatches}`;
      const order = remember(orders, key, () => orderOf(layout, grid.microbatches));
      return playedLeaf(expanding(grid, traced(grid), Number.POSITIVE_INFINITY), bounded, order);
    },
    countLeaves(grid) {
      const orders = plansFor(grid.pp).reduce((sum, { cut }) => sum + schedulesOf(grid.pp, cut.virtual).length, 0);
      return orders * zerosOf(grid).length;
    },
  };
}

/** Of a kind of which nothing is shared out: what its layers do, and bytes that each keeps of a microbatch. */
interface UnsharedKind {
  readonly work: () => LeastWork;
  readonly kept: number;
}

function remember<K, T>(map: Map<K, T>, key: K, make: () => T): T {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

/** What microbatches depend on: of dp and pp only where they decide what is shared out. */
export const kindKey = ({ kind, sharing, dp, pp }: SharedGrid): string =>
  `${Object.values(kind).join(' ')} ${sharing === 0 ? '' : `${sharing} ${dp} ${pp > 1}`}`;
