// What steps take and hold at least on devices of several kinds, with what is asked to be on their hosts: by products alone, then by what every chunk does on its own kind.
import type { PartName } from '../../model/params.ts';
import { once, remember } from '../../step/once.ts';
import type { Device } from '../hardware/device.ts';
import { kindsAt, kindsOf } from '../hardware/kinds.ts';
import { type CostModel, trainingCosts } from '../training/costs.ts';
import { usableBytes } from '../training/fits.ts';
import { onKind } from '../training/mixed.ts';
import { hostOptimizerSeconds } from '../training/offload-time.ts';
import { widthsOf } from '../training/scenario.ts';
import { memoryOf } from '../training/stage-memory.ts';
import { dataSeconds, optimizerSeconds } from '../training/stage-time.ts';
import { sizesByKind } from '../training/stages-by-kind.ts';
import type { BoundedLeaf } from './bounded-leaf.ts';
import { type Bounds, kindKey } from './bounds.ts';
import { type CutPlan, cutPlans } from './cut-plan.ts';
import { easesOf, givingOf, nothingGiven } from './ease.ts';
import { besideOthers, type KnownKind, knowKind, leastKind, type PartOf, tracedParts } from './known-kind.ts';
import { messageBytes } from './leaf-bounds.ts';
import { leastCosts } from './least-costs.ts';
import { leastKernels } from './least-kernels.ts';
import { leastActivations, leastState, withMessages } from './least-memory.ts';
import { leastParts } from './least-parts.ts';
import { alikeLayers } from './least-products.ts';
import { samplerOf } from './least-sample.ts';
import { finishingTalk } from './least-talk.ts';
import { productWork, withAttention } from './least-work.ts';
import type { StepFigures } from './objective.ts';
import { addElements, type PartElements, partElements } from './part-elements.ts';
import { cutsOf, schedulesOf, zerosOf } from './space.ts';
import {
  type Cut,
  foldedSize,
  type Grid,
  hasEndsApart,
  type Kind,
  type Leaf,
  placesOf,
  type SearchTask,
  type SharedGrid,
  sharedLayout,
} from './task.ts';
import { noTalk } from './tensor-seconds.ts';
import { partsIn, slowest } from './timed-stage.ts';

/** Both passes of a microbatch. */
type LayerSeconds = (grid: SharedGrid, device: Device, layer: number) => number;

/** Bytes are those that the kind with least room would hold in place of the stage's: a stage fits if they do there. */
export function looseBounds(task: SearchTask, model: CostModel, all: readonly Kind[], mayGive: boolean): Bounds {
  const { cluster, config, formats, software, offload } = task;
  const giving = givingOf(task, mayGive);
  const devices = kindsOf(cluster);
  const leastUsable = Math.min(...devices.map(usableBytes));
  const taskOn = once((device: Device): SearchTask => ({ ...task, cluster: { ...cluster, device } }));
  const stageKinds = once((pp: number): Device[][] => {
    const ranks = cluster.devices / pp;
    return Array.from({ length: pp }, (_, stage) => kindsAt(cluster, stage * ranks, (stage + 1) * ranks));
  });
  /** What a stage has more than the kind with least room. */
  const moreRoom = (kinds: readonly Device[]): number => {
    const own = Math.min(...kinds.map(usableBytes));
    return own === leastUsable ? 0 : own - leastUsable;
  };
  const layers = alikeLayers(config);
  const sampleOn = once((device: Device) => samplerOf(taskOn(device), all));
  const kernelsOn = once((device: Device) =>
    leastKernels(taskOn(device), leastCosts(model, cluster), sampleOn(device)),
  );
  const layerKernels: LayerSeconds = (grid, device, layer) => {
    const kernels = kernelsOn(device);
    const products = productWork([{ layer, count: 1 }], grid.kind, kernels, noTalk);
    const { forward, backward } = withAttention(products, grid.kind, kernels)[0]!;
    return forward + backward;
  };
  const leastOn = once((device: Device) => {
    const on = taskOn(device);
    const partsOf = leastParts(on, leastCosts(model, cluster), sampleOn(device).part, kernelsOn(device), elementsOf);
    const known = new Map<string, KnownKind>();
    return (grid: SharedGrid) => remember(known, kindKey(grid), () => leastKind(on, grid, partsOf(grid)));
  });
  /** `window`: seconds of the last backward. */
  const optimizerAtLeast = (
    all: PartElements,
    leaf: Pick<Leaf, 'grid' | 'zero'>,
    device: Device,
    window: number,
  ): number => {
    const state = leastState(all, leaf, widthsOf(formats));
    if (offload?.optimizer) return hostOptimizerSeconds(state, taskOn(device), window);
    return software.fusedOptimizer ? optimizerSeconds(state, taskOn(device)) : 0;
  };
  /** Both passes, by all that it does. */
  const layerAtLeast: LayerSeconds = (grid, device, layer) => {
    const range = { first: layer, end: layer + 1, isFirst: false, isLast: false, key: `layer ${layer}` };
    const chunk = leastOn(device)(grid).chunk(range);
    if (grid.isBothWays) return besideOthers(chunk, 'forward') + besideOthers(chunk, 'backward');
    return chunk.forward + chunk.backward;
  };
  const elements = new Map<string, PartElements>();
  const elementsOf = (grid: Grid, name: PartName, layer = 0): PartElements =>
    remember(elements, `${name} ${layer} ${grid.kind.tp} ${grid.kind.ep} ${hasEndsApart(grid)}`, () =>
      partElements(task, grid, { name, layer }),
    );
  const stateBytes = (
    all: PartElements,
    leaf: Pick<Leaf, 'grid' | 'zero'>,
    activations: number,
    onHost: boolean,
  ): number => {
    const state = leastState(all, leaf, widthsOf(formats));
    const held = onHost ? { ...state, optimizer: 0 } : state;
    return memoryOf(held, offload?.activations ? 0 : activations, software).total;
  };

  /** By weights that make stages as long as each other: the mean of their times is what the longest takes at least, however layers are cut. */
  const secondsOfLayers = (grid: SharedGrid, secondsOf: LayerSeconds): number => {
    const kinds = stageKinds(grid.pp);
    const times = kinds.map((own) =>
      layers.map(({ layer }) => {
        const each = own.map((device) => secondsOf(grid, device, layer));
        // Which of several kinds a stage waits for is told by its first chunk, as one way to cut backwards has it.
        return grid.pp === 1 && !offload ? Math.max(...each) : Math.min(...each);
      }),
    );
    const weights = times.map((each) => 1 / each.reduce((sum, seconds, i) => sum + layers[i]!.count * seconds, 0));
    const work = layers.reduce(
      (sum, { count }, i) => sum + count * Math.min(...times.map((each, stage) => weights[stage]! * each[i]!)),
      0,
    );
    return (grid.microbatches * work) / weights.reduce((sum, each) => sum + each, 0);
  };
  const meanBytes = (grid: SharedGrid): number => {
    const { pp, sharing, isBothWays } = grid;
    const all = addElements([
      ...layers.map(({ layer, count }) => ({ each: elementsOf(grid, 'block', layer), count })),
      { each: elementsOf(grid, 'embedding'), count: 1 },
      { each: elementsOf(grid, 'head'), count: 1 },
    ]);
    const room = stageKinds(pp).reduce((sum, kinds) => sum + moreRoom(kinds), 0);
    const state = stateBytes(all, { grid, zero: sharing === 0 ? 1 : sharing }, 0, giving.optimizer);
    return ((isBothWays ? 2 : 1) * state - room) / pp;
  };
  const ofGrid = (grid: SharedGrid, secondsOf: LayerSeconds): StepFigures => ({
    stepSeconds: secondsOfLayers(grid, secondsOf),
    computeSeconds: 0,
    memoryBytes: meanBytes(grid),
  });

  const parts = new Map<string, PartOf>();
  const known = new Map<string, KnownKind>();
  const knownOn = (grid: SharedGrid, device: Device): KnownKind => {
    const traced = remember(parts, kindKey(grid), () => tracedParts(task, grid));
    const key = `${devices.indexOf(device)} ${kindKey(grid)}`;
    return remember(known, key, () => knowKind(taskOn(device), grid, model, traced));
  };
  /** Where layers are dealt out by kind that way is one more; what a layout would be without saying so is said. */
  const plansFor = (grid: SharedGrid): CutPlan[] => {
    const cuts = cutsOf(task, grid);
    const kinds = stageKinds(grid.pp);
    if (new Set(kinds.flat()).size === 1 || grid.pp === 1) return cutPlans(config, grid, cuts);
    const secondsOf = (name: 'block' | 'head', device: Device): number => {
      const layer = name === 'block' ? config.layers - 1 : config.layers;
      const isLast = name === 'head';
      const range = { first: layer, end: isLast ? layer : layer + 1, isFirst: false, isLast, key: `one ${name}` };
      const { forward, backward } = knownOn(grid, device).chunk(range);
      return forward + backward;
    };
    const said = cuts.flatMap((cut): Cut[] => {
      const even = { ...cut, isUneven: true };
      if (cut.isUneven) return [even];
      return [even, { ...even, sizes: sizesByKind(kinds, cut.virtual, config.layers, secondsOf) }];
    });
    const once = new Map(said.map((cut) => [`${cut.virtual} ${cut.sizes.join()}`, cut]));
    return cutPlans(config, grid, [...once.values()]);
  };

  /** Of what it need not hold, nothing. */
  const giveUp = (whole: BoundedLeaf, memoryBytes = 0): BoundedLeaf[] =>
    mayGive
      ? easesOf(task, whole.leaf).map((ease) => ({
          ...whole,
          leaf: { ...whole.leaf, ease },
          least: { ...whole.least, memoryBytes },
        }))
      : [];
  const leavesOf = (grid: SharedGrid): BoundedLeaf[] => {
    const { pp, microbatches } = grid;
    const kinds = stageKinds(pp);
    const scenario = { ...task, layout: sharedLayout(grid), microBatch: grid.kind.microBatch, microbatches };
    const costsOn = once((device: Device) => trainingCosts(onKind(scenario, device), model));
    const message = messageBytes({ task, grid });
    return plansFor(grid).flatMap((plan): BoundedLeaf[] => {
      const last = plan.chunks.length - 1;
      const places = Array.from({ length: pp }, (_, stage) => placesOf(grid, stage, last + 1));
      const own = places.map((all) => all.map((place) => plan.chunks[place]!));
      const timed = own.map((ranges, stage) => slowest(ranges, kinds[stage]!, (device) => knownOn(grid, device)));
      const held = timed.map(({ chunks }, stage) =>
        chunks.map((chunk, i) => withMessages(chunk, places[stage]![i]!, last, message)),
      );
      const elementsHeld = own.map((ranges) =>
        addElements(
          ranges
            .flatMap((range) => partsIn(config, range))
            .map(({ name, layer }) => ({ each: elementsOf(grid, name, layer), count: 1 })),
        ),
      );
      return schedulesOf(software, grid, plan.cut.virtual).flatMap((schedule) => {
        const inHalves = schedule === 'zb-h1';
        const isSure = (stage: number) => kinds[stage]!.length === 1 || !offload;
        let [before, span] = [0, 0];
        for (const [stage, { chunks }] of timed.entries()) {
          if (!isSure(stage)) continue;
          const work = chunks.reduce((sum, chunk) => {
            if (grid.isBothWays) return sum + besideOthers(chunk, 'forward') + besideOthers(chunk, 'backward');
            const { forward, backward, halves } = chunk;
            const back = inHalves ? halves.inputGradient + halves.weightGradient : backward;
            return sum + forward + back;
          }, 0);
          span = Math.max(span, before + foldedSize(grid).microbatches * work);
          if (grid.isBothWays) continue;
          // Nothing comes before a first chunk's forwards, and after its last backward those of the stages before.
          before += chunks[0]!.forward + (inHalves ? 0 : chunks[0]!.backward);
        }
        return zerosOf(grid, grid.sharing).flatMap((zero): BoundedLeaf[] => {
          const leaf: Leaf = { grid, cut: plan.cut, schedule, zero };
          let [after, memoryBytes, leastBytes] = [0, 0, 0];
          for (const [stage, { device, chunks }] of timed.entries()) {
            const all = elementsHeld[stage]!;
            const activations = leastActivations(schedule, stage, grid, held[stage]!);
            const bytes = (activations: number, onHost: boolean) =>
              stateBytes(all, leaf, activations, onHost) - moreRoom(kinds[stage]!);
            memoryBytes = Math.max(memoryBytes, bytes(activations, offload?.optimizer ?? false));
            leastBytes = Math.max(
              leastBytes,
              bytes(giving.activations || giving.layers(grid.kind) ? 0 : activations, giving.optimizer),
            );
            if (!isSure(stage)) continue;
            const talk = finishingTalk(task, grid, zero, all);
            const kernels = (pass: 'forward' | 'backward') => chunks.reduce((sum, each) => sum + each.compute[pass], 0);
            const window = { forward: kernels('forward'), backward: kernels('backward') };
            const optimizer = optimizerAtLeast(all, leaf, device, window.backward);
            after = Math.max(after, optimizer + dataSeconds(talk, costsOn(device), software, window).exposed);
          }
          if (leastBytes > leastUsable) return [];
          const least = { stepSeconds: span + after, computeSeconds: 0, memoryBytes };
          const whole = { leaf, plan, least, span, after, held: [], given: nothingGiven };
          return memoryBytes <= leastUsable ? [whole] : giveUp(whole, leastBytes);
        });
      });
    });
  };
  const ofKernels = (grid: Grid): StepFigures => ({
    ...ofGrid({ ...grid, sharing: 0 }, layerKernels),
    memoryBytes: meanBytes({ ...grid, sharing: 3 }),
  });
  return {
    ofKind: () => ({ stepSeconds: 0, computeSeconds: 0, memoryBytes: 0 }),
    ofKernels,
    ofGrid: (grid) => ({
      ...ofGrid({ ...grid, sharing: 0 }, layerAtLeast),
      memoryBytes: meanBytes({ ...grid, sharing: 3 }),
    }),
    ofShared: (grid) => ofGrid(grid, layerAtLeast),
    ofCuts: (grid) => leavesOf(grid).map((leaf) => ({ least: leaf.least, rough: () => [leaf], leaves: () => [leaf] })),
    ofPlayed: (leaf) => leaf,
    ofEased: (leaf) => giveUp(leaf),
    countLeaves(grid, sharing) {
      const isOfKinds = grid.pp > 1 && devices.length > 1;
      const orders = cutsOf(task, grid).reduce((sum, { virtual, isUneven }) => {
        const ways = isOfKinds && !isUneven ? 2 : 1;
        return sum + ways * schedulesOf(software, grid, virtual).length;
      }, 0);
      return orders * zerosOf(grid, sharing).length;
    },
  };
}
