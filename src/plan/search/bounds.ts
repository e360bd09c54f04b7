// What steps take and hold at least: of all splits of a grid without tracing anything, and of each of them by what its parts are known to do.
import type { PartName } from '../../model/params.ts';
import type { CostModel } from '../training/costs.ts';
import { leastFinishingSeconds, leastGridBytes, leastGridSeconds, leastLayers } from './grid-bounds.ts';
import { type KnownKind, knowKind } from './known-kind.ts';
import { type BoundedLeaf, boundedLeaves, type Expanding, playedLeaf } from './leaf-bounds.ts';
import { addElements, type PartElements, partElements } from './least-memory.ts';
import { alikeLayers } from './least-products.ts';
import { leastWorks } from './least-work.ts';
import type { StepFigures } from './objective.ts';
import { type Order, orderOf } from './played-span.ts';
import { cutsOf, schedulesOf, zerosOf } from './space.ts';
import type { Cut, Grid, SearchTask, SharedGrid } from './task.ts';

export interface Bounds {
  /** Of every split of a grid, whatever it shares out. */
  readonly ofGrid: (grid: Grid) => StepFigures;
  /** Of every split that shares out so much. */
  readonly ofShared: (grid: SharedGrid) => StepFigures;
  /** Of each; those that are sure not to fit in `usableBytes` are left out. */
  readonly ofLeaves: (grid: SharedGrid, usableBytes: number) => Iterable<BoundedLeaf>;
  /** The same with its schedule played. */
  readonly ofPlayed: (leaf: BoundedLeaf) => StepFigures;
  /** How many there are. */
  readonly countLeaves: (grid: SharedGrid) => number;
}

export function boundsOf(task: SearchTask, model: CostModel): Bounds {
  const works = leastWorks(task, model);
  const kinds = new Map<string, KnownKind>();
  const cuts = new Map<number, readonly Cut[]>();
  const orders = new Map<string, Order>();
  const parameters = new Map<string, PartElements>();
  const layers = alikeLayers(task.config);
  const cutsFor = (pp: number) => remember(cuts, pp, () => cutsOf(task.config, pp));
  const elementsOf = (grid: Grid, name: PartName, layer = 0): PartElements =>
    remember(parameters, `${name} ${layer} ${grid.kind.tp} ${grid.kind.ep} ${grid.pp === 1}`, () =>
      partElements(task, grid, { name, layer }),
    );
  const ofLayers = (grid: Grid) => layers.map(({ layer }) => elementsOf(grid, 'block', layer));
  /** That every stage has, and besides them the first one. */
  const leastElements = (grid: Grid): PartElements => {
    const all = ofLayers(grid);
    const least = (of: keyof PartElements) => Math.min(...all.map((each) => each[of]));
    const each = { own: least('own'), alike: least('alike'), experts: least('experts') };
    return addElements([{ each, count: leastLayers(task.config.layers, grid.pp) }]);
  };
  const expanding = (grid: SharedGrid, usableBytes: number): Expanding => {
    const known = remember(kinds, kindKey(grid), () => knowKind(task, grid, model));
    return { task, model, grid, known, elementsOf, usableBytes };
  };
  const bytesOf = (grid: SharedGrid): number =>
    leastGridBytes(
      task,
      grid,
      addElements([leastElements(grid), elementsOf(grid, 'embedding')].map((each) => ({ each, count: 1 }))),
    );
  return {
    ofGrid: (grid) => ({
      stepSeconds: leastGridSeconds(task, grid, works.ofKind({ ...grid, sharing: 0 })),
      computeSeconds: 0,
      memoryBytes: bytesOf({ ...grid, sharing: 3 }),
    }),
    ofShared(grid) {
      const work = grid.sharing === 0 ? works.ofKind(grid) : works.ofShared(grid, ofLayers(grid));
      const seconds = leastGridSeconds(task, grid, work);
      return {
        stepSeconds: seconds + leastFinishingSeconds(task, grid, work, leastElements(grid), model),
        computeSeconds: 0,
        memoryBytes: bytesOf(grid),
      };
    },
    ofLeaves: (grid, usableBytes) => boundedLeaves(expanding(grid, usableBytes), cutsFor(grid.pp)),
    ofPlayed(bounded) {
      const { grid, cut, schedule } = bounded.leaf;
      const layout = { pp: grid.pp, virtual: cut.virtual, schedule };
      const key = `${schedule} ${grid.pp} ${cut.virtual} ${grid.microbatches}`;
      const order = remember(orders, key, () => orderOf(layout, grid.microbatches));
      return playedLeaf(expanding(grid, Number.POSITIVE_INFINITY), bounded, order);
    },
    countLeaves(grid) {
      const orders = cutsFor(grid.pp).reduce((sum, { virtual }) => sum + schedulesOf(grid.pp, virtual).length, 0);
      return orders * zerosOf(grid).length;
    },
  };
}

function remember<K, T>(map: Map<K, T>, key: K, make: () => T): T {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}

/** What microbatches depend on: of dp and pp only where they decide what is shared out. */
const kindKey = ({ kind, sharing, dp, pp }: SharedGrid): string =>
  `${Object.values(kind).join(' ')} ${sharing === 0 ? '' : `${sharing} ${dp} ${pp > 1}`}`;
