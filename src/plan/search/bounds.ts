// What steps take and hold at least: of all splits of a grid without tracing anything, and of each of them by what its parts are known to do.
import { largestAxis } from '../../mesh/layout.ts';
import type { RecomputePolicy } from '../../mesh/recompute.ts';
import type { PartName } from '../../model/params.ts';
import { once, remember } from '../../step/once.ts';
import type { CostModel } from '../training/costs.ts';
import { keptBesides } from '../training/held-besides.ts';
import type { BoundedLeaf } from './bounded-leaf.ts';
import { type CutPlan, cutPlans } from './cut-plan.ts';
import { easedLeaf, easesWithin } from './eased-leaves.ts';
import {
  type CutBy,
  evenGrid,
  type LeastHeld,
  leastFinishing,
  leastGrid,
  leastHeld,
  type ModelElements,
} from './grid-bounds.ts';
import { type KnownKind, knowKind, leastKind } from './known-kind.ts';
import { knownTalk } from './known-talk.ts';
import { boundedLeaves, type Expanding } from './leaf-bounds.ts';
import { leastCosts } from './least-costs.ts';
import { type LeastCut, type LeastCuts, leastCuts } from './least-cuts.ts';
import { type Giving, givingAtMost } from './least-giving.ts';
import { leastKernels } from './least-kernels.ts';
import { leastParts, type PartsOfKind } from './least-parts.ts';
import { type AlikeLayers, alikeLayers, tokensOf } from './least-products.ts';
import { samplerOf } from './least-sample.ts';
import {
  aloneSeconds,
  besideSeconds,
  type LayerWork,
  type LeastSeconds,
  type LeastWork,
  leastWork,
  productWork,
  sharedWork,
  withAttention,
  workOfLayers,
} from './least-work.ts';
import type { StepFigures } from './objective.ts';
import { type PartElements, partElements } from './part-elements.ts';
import { playedLeaf } from './played-leaf.ts';
import { type Order, orderOf } from './played-span.ts';
import { cutsOf, pipeKey, schedulesOf, zerosOf } from './space.ts';
import {
  copiesOf,
  type Grid,
  hasEndsApart,
  type Kind,
  kindLayout,
  type SearchTask,
  type SharedGrid,
  type Sharing,
} from './task.ts';
import { tensorSeconds } from './tensor-seconds.ts';

export interface Bounds {
  /** Of every grid of a kind, by its products, attention and sums over tp alone, as if no stage ever waited. */
  readonly ofKind: (grid: Grid) => StepFigures;
  /** Of every split of a grid, by the same and its parameters; undefined: they are sure not to fit in `usableBytes`. */
  readonly ofKernels: (grid: Grid, usableBytes: number) => StepFigures | undefined;
  /** The same by all that its layers do and keep at least, whatever it shares out. */
  readonly ofGrid: (grid: Grid, usableBytes: number) => StepFigures | undefined;
  /** Of every split that shares out so much. */
  readonly ofShared: (grid: SharedGrid, usableBytes: number) => StepFigures | undefined;
  /** The same of each way to cut its layers. */
  readonly ofCuts: (grid: SharedGrid, usableBytes: number) => BoundedCut[];
  /** Of a split with its schedule played; undefined: what it gives up is not enough. */
  readonly ofPlayed: (leaf: BoundedLeaf, usableBytes: number) => BoundedLeaf | undefined;
  /** In place of one that does not fit, the same with something given up for room. */
  readonly ofEased: (leaf: BoundedLeaf, usableBytes: number) => BoundedLeaf[];
  /** How many there are. */
  readonly countLeaves: (grid: Grid, sharing: Sharing) => number;
}

export interface BoundedCut {
  readonly least: StepFigures;
  /** Of each of its splits by what its parts do at least, without tracing them; those that are sure not to fit are left out. */
  readonly rough: () => BoundedLeaf[];
  /** The same by what its parts are known to do. */
  readonly leaves: () => BoundedLeaf[];
}

/** `kinds`: those of all grids that there are; `mayGive`: layouts that do not fit may give up something. */
export function boundsOf(task: SearchTask, costs: CostModel, all: readonly Kind[], mayGive: boolean): Bounds {
  const { software } = task;
  const model = knownTalk(costs);
  const kinds = new Map<string, KnownKind>();
  const plans = new Map<number, readonly CutPlan[]>();
  const orders = new Map<string, Order>();
  const orderCounts = new Map<number, number>();
  const parameters = new Map<string, PartElements>();
  const layers = alikeLayers(task.config);
  const plansFor = (grid: Grid) =>
    remember(plans, pipeKey(grid), () => cutPlans(task.config, grid, cutsOf(task, grid)));
  const elementsOf = (grid: Grid, name: PartName, layer = 0): PartElements =>
    remember(parameters, `${name} ${layer} ${grid.kind.tp} ${grid.kind.ep} ${hasEndsApart(grid)}`, () =>
      partElements(task, grid, { name, layer }),
    );
  const least = leastCosts(model, task.cluster);
  const sample = samplerOf(task, all);
  const kernels = leastKernels(task, least, sample);
  const partsOf = leastParts(task, least, sample.part, kernels, elementsOf);
  const wholes = new Map<number, ModelElements>();
  const modelElements = (grid: Grid): ModelElements =>
    remember(wholes, 2 * (grid.kind.tp * largestAxis + grid.kind.ep) + (hasEndsApart(grid) ? 1 : 0), () => ({
      layers: layers.map(({ layer, count }) => ({ each: elementsOf(grid, 'block', layer), count })),
      embedding: elementsOf(grid, 'embedding'),
      head: elementsOf(grid, 'head'),
    }));
  /** Of parameters what every layer has. */
  const leastLayer = once(({ layers }: ModelElements): PartElements => {
    const least = (of: keyof PartElements) => Math.min(...layers.map(({ each }) => each[of]));
    return { own: least('own'), alike: least('alike'), experts: least('experts') };
  });
  /** Of as many devices, cp and dp share out what is left. */
  const states = new Map<number, Map<number, LeastHeld>>();
  const stateOf = (grid: Grid, sharing: Sharing) => {
    const { tp, ep } = grid.kind;
    const ofRanks = remember(states, tp * (task.cluster.devices + 1) + ep, () => new Map<number, LeastHeld>());
    return remember(ofRanks, 4 * pipeKey(grid) + sharing, () => leastHeld(task, grid, sharing, modelElements(grid)));
  };
  const counted = new Map<number, Map<number, LeastCuts>>();
  const cutsFor = (grid: Grid) => {
    const ofPipe = remember(counted, pipeKey(grid), () => new Map<number, LeastCuts>());
    return remember(ofPipe, grid.microbatches, () =>
      leastCuts(
        plansFor(grid).map(({ cut }) => cut),
        grid,
        software,
      ),
    );
  };
  const { offload } = task;
  const onHost = offload?.optimizer ?? false;
  const given = mayGive ? givingAtMost(task) : undefined;
  const cutBy = (
    grid: Grid,
    sharing: Sharing,
    kept: () => number,
    usableBytes: number,
    anew: Giving['anew'] = [],
  ): CutBy => ({
    grid,
    state: stateOf(grid, sharing),
    // Of what is moved in any case nobody knows how much is held.
    kept: offload && offload.activations > 0 ? 0 : kept(),
    usableBytes,
    onHost,
    ...(given ? { giving: anew.length > 0 ? { ...given, anew } : given } : {}),
  });
  const named = once(() => new Map(all.map((kind) => [Object.values(kind).join(), kind])));
  const computingAnew = once(
    (kind: Kind, recompute: RecomputePolicy) => named().get(Object.values({ ...kind, recompute }).join())!,
  );
  /** Of layers that compute anew where a kind's do not: by each policy. */
  const anewOf = (kind: Kind, workOf: (kind: Kind) => LeastWork): Giving['anew'] =>
    mayGive && kind.recompute === 'none'
      ? (['selective', 'full'] as const).map((recompute) => {
          const alike = () => computingAnew(kind, recompute);
          return { each: () => workOf(alike()).each, kept: () => ofKind(alike()).kept() };
        })
      : [];

  const talkOf = tensorSeconds(task, model);
  /** What kinds of as many tokens have in common, whatever their attention does. */
  const products = new Map<string, readonly LayerWork[]>();
  const productsOf = (kind: Kind): readonly LayerWork[] => {
    const { tp, sp, ep, recompute } = kind;
    return remember(products, `${tp} ${sp} ${ep} ${recompute} ${tokensOf(task, kind)}`, () =>
      productWork(layers, kind, kernels, talkOf(kind)),
    );
  };
  /** Of a kind of which nothing is shared out. */
  const unshared = new Map<Kind, UnsharedKind>();
  const ofKind = (kind: Kind): UnsharedKind =>
    remember(unshared, kind, () => {
      const ofKernels = once(() => workOfLayers(withAttention(productsOf(kind), kind, kernels), kernels.head(kind)));
      const parts = once(() => partsOf({ kind, pp: 1, dp: 1, microbatches: 1, sharing: 0 }));
      const kept = once(() => {
        const scenario = { ...task, layout: kindLayout(kind), microBatch: kind.microBatch, microbatches: 1 };
        const keptOf = ({ layer }: AlikeLayers): number =>
          sample.part(kind, 'block', layer).forward.net + keptBesides(scenario, layer, kind.recompute);
        return Math.max(0, Math.min(...layers.map(keptOf)));
      });
      return {
        ofKernels,
        parts,
        work: once((secondsOf: LeastSeconds) => leastWork(layers, parts(), ofKernels().inputGradient, secondsOf)),
        kept,
      };
    });
  const sharedParts = (grid: SharedGrid) => (grid.sharing === 0 ? ofKind(grid.kind).parts() : partsOf(grid));
  const boundsOfCuts = (grid: SharedGrid, usableBytes: number) => {
    const secondsOf = secondsIn(grid);
    const workOf = once((kind: Kind) => {
      const { parts, work } = ofKind(kind);
      const alone = work(secondsOf);
      return grid.sharing === 0 ? alone : sharedWork(layers, alone, parts(), sharedParts({ ...grid, kind }), secondsOf);
    });
    const work = () => workOf(grid.kind);
    const after = once(() => leastFinishing(task, grid, work(), leastLayer(modelElements(grid)), partsOf(grid).costs));
    const by = cutBy(grid, grid.sharing, ofKind(grid.kind).kept, usableBytes, anewOf(grid.kind, workOf));
    return (cuts: readonly LeastCut[]) => leastGrid(cuts, by, software, work, after);
  };
  const expanding = (grid: SharedGrid, known: KnownKind, usableBytes: number): Expanding => ({
    ...{ task, model, grid, known, elementsOf, usableBytes, mayGive },
  });
  const traced = (grid: SharedGrid) => remember(kinds, kindKey(grid), () => knowKind(task, grid, model));
  return {
    ofKind: (grid) => evenGrid(grid, ofKind(grid.kind).ofKernels()),
    ofKernels: (grid, usableBytes) =>
      leastGrid(cutsFor(grid).least, cutBy(grid, 3, nothing, usableBytes), software, ofKind(grid.kind).ofKernels),
    ofGrid(grid, usableBytes) {
      const { work, kept } = ofKind(grid.kind);
      const secondsOf = secondsIn(grid);
      const anew = anewOf(grid.kind, (kind) => ofKind(kind).work(secondsOf));
      const by = cutBy(grid, 3, kept, usableBytes, anew);
      return leastGrid(cutsFor(grid).least, by, software, () => work(secondsOf));
    },
    ofShared: (grid, usableBytes) => boundsOfCuts(grid, usableBytes)(cutsFor(grid).least),
    ofCuts(grid, usableBytes) {
      const { each } = cutsFor(grid);
      const leastOf = boundsOfCuts(grid, usableBytes);
      const leavesBy = (known: () => KnownKind) => once(() => boundedLeaves(expanding(grid, known(), usableBytes)));
      const rough = leavesBy(() => leastKind(task, grid, sharedParts(grid)));
      const leaves = leavesBy(() => traced(grid));
      return plansFor(grid).flatMap((plan, at) => {
        const least = leastOf([each[at]!]);
        return least ? [{ least, rough: () => rough()(plan), leaves: () => leaves()(plan) }] : [];
      });
    },
    ofPlayed(bounded, usableBytes) {
      const { grid, cut, schedule } = bounded.leaf;
      const layout = { pp: grid.pp, virtual: cut.virtual, schedule };
      const key = `${schedule} ${grid.pp} ${cut.virtual} ${grid.microbatches}`;
      const order = remember(orders, key, () => orderOf(layout, grid.microbatches));
      return playedLeaf(expanding(grid, traced(grid), usableBytes), bounded, order);
    },
    ofEased: (bounded, usableBytes) =>
      mayGive
        ? easesWithin(task, bounded.leaf, bounded.held, usableBytes).map((ease) => easedLeaf(task, bounded, ease))
        : [],
    countLeaves(grid, sharing) {
      const ordersOf = (sum: number, { cut }: CutPlan) => sum + schedulesOf(software, grid, cut.virtual).length;
      const orders = remember(orderCounts, pipeKey(grid), () => plansFor(grid).reduce(ordersOf, 0));
      return orders * zerosOf(grid, sharing).length;
    },
  };
}

/** Of a kind of which nothing is shared out: what its layers do, and bytes that each keeps of a microbatch. */
interface UnsharedKind {
  /** Of products and attention alone. */
  readonly ofKernels: () => LeastWork;
  readonly parts: () => PartsOfKind;
  readonly work: (secondsOf: LeastSeconds) => LeastWork;
  readonly kept: () => number;
}

const nothing = () => 0;

/** Side by side with backwards of the other direction forwards hide exchanges of experts. */
const secondsIn = ({ isBothWays, kind }: Grid): LeastSeconds =>
  isBothWays && kind.ep > 1 ? besideSeconds : aloneSeconds;

/** What microbatches depend on: of dp and pp only where they decide what is shared out. */
export function kindKey(grid: SharedGrid): string {
  const { kind, sharing } = grid;
  return `${Object.values(kind).join(' ')} ${sharing === 0 ? '' : `${sharing} ${copiesOf(grid)} ${hasEndsApart(grid)}`}`;
}
