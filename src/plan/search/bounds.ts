// What steps take and hold at least: of all splits of a grid without tracing anything, and of each of them by what its parts are known to do.
import type { PartName } from '../../model/params.ts';
import type { CostModel } from '../training/costs.ts';
import { leastGridBytes, leastGridSeconds } from './grid-bounds.ts';
import { type KnownKind, knowKind } from './known-kind.ts';
import { type BoundedLeaf, boundedLeaves } from './leaf-bounds.ts';
import { type PartElements, partElements } from './least-memory.ts';
import { alikeLayers, type LeastWork, leastWork } from './least-work.ts';
import type { StepFigures } from './objective.ts';
import { cutsOf, schedulesOf, zerosOf } from './space.ts';
import type { Cut, Grid, Kind, SearchTask } from './task.ts';

export interface Bounds {
  /** Of every split of a grid. */
  readonly ofGrid: (grid: Grid) => StepFigures;
  /** Of each, with how many there are; those that are sure not to fit in `usableBytes` are left out. */
  readonly ofLeaves: (grid: Grid, usableBytes: number) => Iterable<BoundedLeaf>;
  readonly countLeaves: (grid: Grid) => number;
}

export function boundsOf(task: SearchTask, model: CostModel): Bounds {
  const works = new Map<string, LeastWork>();
  const kinds = new Map<string, KnownKind>();
  const cuts = new Map<number, readonly Cut[]>();
  const parameters = new Map<string, PartElements>();
  const layers = alikeLayers(task.config);
  const cutsFor = (pp: number) => remember(cuts, pp, () => cutsOf(task.config, pp));
  const elementsOf = (grid: Grid, name: PartName, layer = 0): PartElements =>
    remember(parameters, `${name} ${layer} ${grid.kind.tp} ${grid.kind.ep} ${grid.pp === 1}`, () =>
      partElements(task, grid, { name, layer }),
    );
  return {
    ofGrid(grid) {
      const { tp, sp, cp, ep, microBatch, recompute } = grid.kind;
      const key = `${tp} ${sp} ${cp} ${ep} ${microBatch} ${recompute === 'full'}`;
      const work = remember(works, key, () => leastWork(task, grid.kind, model));
      const ofLayers = layers.map(({ layer }) => elementsOf(grid, 'block', layer));
      return {
        stepSeconds: leastGridSeconds(task, grid, work),
        computeSeconds: 0,
        memoryBytes: leastGridBytes(task, grid, elementsOf(grid, 'embedding'), ofLayers),
      };
    },
    ofLeaves: (grid, usableBytes) => {
      const known = remember(kinds, kindKey(grid.kind), () => knowKind(task, grid.kind, model));
      return boundedLeaves({ task, model, grid, known, elementsOf, usableBytes }, cutsFor(grid.pp));
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

const kindKey = ({ tp, sp, cp, cpMode, ep, microBatch, recompute }: Kind): string =>
  `${tp} ${sp} ${cp} ${cpMode} ${ep} ${microBatch} ${recompute}`;

