// What layouts that give up something for room take and hold at least: of a layout that does not fit, by what is known of it.

import type { LiveProfile, WorkKind } from '../summary/summary.ts';
import { liveBesideHost } from '../training/offload-memory.ts';
import { besideCopies, copyRate, hostOptimizerSeconds } from '../training/offload-time.ts';
import { memoryOf, sharesOf } from '../training/stage-memory.ts';
import type { BoundedLeaf, Held, StageState } from './bounded-leaf.ts';
import type { StagePlan } from './cut-plan.ts';
import { type Amounts, allOfThem, easesOf, fewest, hundredthsOf, nothingGiven } from './ease.ts';
import type { Chunk, KnownKind } from './known-kind.ts';
import { withMessages } from './least-memory.ts';
import { betterKnown } from './objective.ts';
import { type Order, playedPeak, workIndex } from './played-span.ts';
import { type Ease, foldedSize, type Leaf, type SearchTask } from './task.ts';

/** Bytes that a layout holds at least. Of activations that it need not hold, nothing. */
export function leastRoom(task: SearchTask, held: readonly Held[], ease?: Ease): number {
  const { offload, formats, software } = task;
  const optimizer = ease?.optimizer || (offload?.optimizer ?? false);
  const isLess = ease?.by !== undefined || (offload?.activations ?? 0) > 0;
  const away = { formats, offload: { optimizer, activations: 0 } };
  const totals = held.map(({ state, activations }) => {
    const state_ = optimizer ? sharesOf(state.bytes, away) : state.bytes;
    return memoryOf(state_, isLess ? 0 : activations, software).total;
  });
  return Math.max(...totals);
}

/** What it may give up so that it may fit: of what follows from each other, what comes first. */
export function easesWithin(
  task: SearchTask,
  leaf: Pick<Leaf, 'grid' | 'ease'>,
  held: readonly Held[],
  usableBytes: number,
): Ease[] {
  return easesOf(task, leaf).flatMap((ease) => {
    if (leastRoom(task, held, ease) <= usableBytes) return [ease];
    return easesWithin(task, { grid: leaf.grid, ease }, held, usableBytes);
  });
}

/** What giving up something takes longer is not known yet, but for an optimizer on the host. */
export function easedLeaf(task: SearchTask, whole: BoundedLeaf, ease: Ease): BoundedLeaf {
  const { leaf, held, least, span } = whole;
  const onHost = ease.optimizer
    ? Math.max(...held.map(({ state }) => hostOptimizerSeconds(state.bytes, task, Number.POSITIVE_INFINITY)))
    : 0;
  const after = Math.max(whole.after, onHost);
  return {
    ...whole,
    leaf: { ...leaf, ease },
    least: betterKnown(least, Math.max(least.stepSeconds, span + after), leastRoom(task, held, ease)),
    after,
  };
}

/** What there is to know to play a leaf. */
export interface Playing {
  readonly task: SearchTask;
  readonly known: KnownKind;
  readonly bounded: BoundedLeaf;
  readonly order: Order;
  /** Of a message to the next stage. */
  readonly messageBytes: number;
  readonly stateOf: (parts: StagePlan['parts']) => StageState;
  readonly usableBytes: number;
}

export interface PlayedChunks {
  readonly chunks: readonly Chunk[];
  readonly given: Amounts;
}

/** Its chunks by virtual stage, with as little given up as makes every stage fit; undefined: one does not. */
export function chunksGiving(playing: Playing): PlayedChunks | undefined {
  const { bounded, known, task } = playing;
  const { leaf, plan } = bounded;
  const by = leaf.ease?.by;
  const share = task.offload?.activations ?? 0;
  const whole = plan.chunks.map((range) => known.chunk(range));
  if (by === undefined)
    return { chunks: share > 0 ? whole.map((chunk) => moving(chunk, share, task)) : whole, given: nothingGiven };
  return by === 'activations' ? chunksMoving(playing, whole) : chunksComputingAnew(playing, by);
}

function chunksMoving(playing: Playing, whole: readonly Chunk[]): PlayedChunks | undefined {
  const { task, order } = playing;
  let hundredths = 0;
  for (let stage = 0; stage < order.pp; stage++) {
    const enough = fewest(allOfThem, hundredths, (count) =>
      isThere(playing, stage, (at) => moving(whole[at]!, hundredthsOf(count), task)),
    );
    if (enough === undefined) return undefined;
    hundredths = enough;
  }
  const chunks = whole.map((chunk) => moving(chunk, hundredthsOf(hundredths), task));
  return { chunks, given: { layers: [], hundredths } };
}

function chunksComputingAnew(playing: Playing, policy: 'selective' | 'full'): PlayedChunks | undefined {
  const { bounded, known } = playing;
  const { chunks: ranges, stage: stageOf } = bounded.plan;
  const chunks: Chunk[] = [];
  const layers: number[] = [];
  // Those of a second half that goes the other way hold the same layers.
  const { stages } = foldedSize(bounded.leaf.grid);
  for (let stage = 0; stage < stages; stage++) {
    const { places } = stageOf(stage);
    const withAnew = (count: number): Map<number, Chunk> => {
      let left = count;
      return new Map(
        places.map((at) => {
          const range = ranges[at]!;
          const own = Math.min(left, range.end - range.first);
          left -= own;
          return [at, known.chunk(range, own > 0 ? { policy, layers: own } : undefined)];
        }),
      );
    };
    const all = places.reduce((sum, at) => sum + ranges[at]!.end - ranges[at]!.first, 0);
    const enough = fewest(all, 0, (count) => {
      const own = withAnew(count);
      return isThere(playing, stage, (at) => own.get(at)!);
    });
    if (enough === undefined) return undefined;
    layers.push(enough);
    for (const [at, chunk] of withAnew(enough)) chunks[at] = chunk;
  }
  return { chunks, given: { layers, hundredths: 0 } };
}

/** Whether a stage of such chunks fits, with what it gives up of its state. */
function isThere(playing: Playing, stage: number, chunkAt: (at: number) => Chunk): boolean {
  const { task, bounded, order, messageBytes, stateOf, usableBytes } = playing;
  const { leaf, plan } = bounded;
  const last = plan.chunks.length - 1;
  const live: LiveProfile[] = [];
  const { parts, places } = plan.stage(stage);
  for (const at of places) {
    const held = withMessages(chunkAt(at), at, last, messageBytes);
    for (const work of worksOf(leaf)) live[workIndex(at, work)] = held(work);
  }
  const activations = playedPeak(order, stage, live);
  const optimizer = { optimizer: leaf.ease?.optimizer ?? false };
  const state = stateOf(parts);
  return leastRoom(task, [{ state, activations }], optimizer) <= usableBytes;
}

export function worksOf({ schedule }: Pick<Leaf, 'schedule'>): readonly WorkKind[] {
  if (schedule === 'dualpipe') return ['forward', 'backward', 'inputGradient', 'weightGradient'];
  return schedule === 'zb-h1' ? ['forward', 'inputGradient', 'weightGradient'] : ['forward', 'backward'];
}

/** The same chunk with a share of its layers' activations on their way to the host beside its forward, and back beside its backward. */
function moving(chunk: Chunk, share: number, { cluster }: SearchTask): Chunk {
  const moved = { bytes: share * chunk.moved.bytes, passing: share * chunk.moved.passing };
  const copied = (work: WorkKind, seconds: number): number =>
    Math.max(seconds, chunk.onHostLink(work) + moved.bytes / copyRate(cluster));
  return {
    get compute() {
      return chunk.compute;
    },
    moved,
    onHostLink: chunk.onHostLink,
    // Of chunks that do not fit, nobody asks for seconds.
    get forward() {
      return copied('forward', chunk.forward);
    },
    get backward() {
      return copied('backward', chunk.backward);
    },
    get halves() {
      const { inputGradient, weightGradient, compute } = chunk.halves;
      return { inputGradient: copied('inputGradient', inputGradient), weightGradient, compute };
    },
    apart: (work) => besideCopies(chunk.apart(work), work, moved, cluster, chunk.onHostLink(work)),
    live: (work) => liveBesideHost(chunk.live(work), work, moved),
  };
}
