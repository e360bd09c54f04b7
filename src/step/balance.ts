// Packed documents dealt out by what their attention costs, not by their number of tokens: a step's sequences to replicas and
// microbatches, and the tokens of a sequence to ranks of cp (the problem of Wang et al., "WLB-LLM", 2025). Which sequences a step has is
// the same for every layout, and decided before (data/alike-steps.ts).
//
//   sequences   the costliest first, each to the replica that has least so far and room for one more; so again within a replica
//   tokens      a long document in zigzag, so that every rank has as much of it; a short one whole to the rank that has least so far
import { replicasOf } from '../mesh/mesh.ts';
import { countTokens, eachRange, keyMembers, ownTokens, type TokenRange } from '../mesh/sequence.ts';
import { cutIntoBlocks, keysOfTile, type Places, scoresOf } from '../ops/attention-blocks.ts';
import { microbatchesOn, replicaSequences, type StepSettings, sequencesPerStep } from './settings.ts';
import { slowestAlong, slowestOfReplicas } from './speeds.ts';

/** A document in a sequence: the tokens [start, end). */
export function documentsIn(documents: ArrayLike<number>): TokenRange[] {
  const found: TokenRange[] = [];
  let start = 0;
  for (let i = 1; i <= documents.length; i++) {
    if (i < documents.length && documents[i] === documents[start]) continue;
    found.push([start, i]);
    start = i;
  }
  return found;
}

type Costing = Pick<StepSettings, 'config' | 'attentionBlock'>;

/** Scores that are computed for a document of so many tokens: what its queries see, and half a tile that they see only in part. */
function scoresIn(tokens: number, { config: { window = tokens }, attentionBlock = keysOfTile }: Costing): number {
  const seen = Math.min(tokens, window);
  return (seen * (seen + 1)) / 2 + (tokens - seen) * seen + (tokens * attentionBlock) / 2;
}

/** Scores that are computed for a sequence: what its attention costs. */
export const attentionCost = (documents: ArrayLike<number>, costing: Costing): number =>
  documentsIn(documents).reduce((sum, [start, end]) => sum + scoresIn(end - start, costing), 0);

/**
 * Deals items out to bins of so much room, the costliest first, each to the bin that has room and is soonest done with it, at its speed.
 * Equal ones go in order.
 */
export function dealByCost(
  costs: readonly number[],
  rooms: readonly number[],
  speeds: readonly number[] = rooms.map(() => 1),
): number[][] {
  const dealt = rooms.map((room, bin) => ({ room, speed: speeds[bin]!, cost: 0, items: [] as number[] }));
  const order = costs.map((_, item) => item).sort((a, b) => costs[b]! - costs[a]! || a - b);
  for (const item of order) {
    const done = ({ cost, speed }: (typeof dealt)[number]) => (cost + costs[item]!) / speed;
    const open = dealt.filter(({ items, room }) => items.length < room);
    const soonest = open.reduce((best, bin) => (done(bin) < done(best) ? bin : best));
    soonest.items.push(item);
    soonest.cost += costs[item]!;
  }
  return dealt.map(({ items }) => items);
}

type Dealt = Costing & Pick<StepSettings, 'layout' | 'microBatch' | 'microbatches' | 'shares' | 'speeds' | 'packed'>;

/**
 * The order in which a step's sequences, of which `documentsOf` tells the documents, go to replicas, then microbatches, then
 * rows: for each place which of them it is.
 */
export function stepOrder(settings: Dealt, documentsOf: (index: number) => ArrayLike<number>): number[] {
  const { layout, microBatch, packed } = settings;
  const all = Array.from({ length: sequencesPerStep(settings) }, (_, index) => index);
  if (packed !== 'balanced' || (replicasOf(layout) === 1 && microBatch === 1)) return all;
  const costs = all.map((index) => attentionCost(documentsOf(index), settings));
  return dealByCost(costs, replicaSequences(settings), slowestOfReplicas(settings)).flatMap((replica, at) => {
    const own = replica.map((index) => costs[index]!);
    const rooms = Array.from({ length: microbatchesOn(settings, at) }, () => microBatch);
    return dealByCost(own, rooms).flatMap((row) => row.map((place) => replica[place]!));
  });
}

type Sharing = Pick<StepSettings, 'layout' | 'seqLen' | 'packed' | 'speeds' | 'config' | 'attentionBlock'>;

type Shares = readonly (readonly TokenRange[])[];

/** Which tokens of a sequence each rank of cp holds, in its order: as many on each. */
export function tokenShares(settings: Sharing, documents: ArrayLike<number> | undefined): Shares {
  const { layout, seqLen, packed } = settings;
  const byCount = Array.from({ length: layout.cp }, (_, rank) => ownTokens(layout, seqLen, rank));
  if (packed !== 'balanced' || layout.cp === 1 || layout.cpMode === 'ulysses' || !documents) return byCount;
  const found = documentsIn(documents);
  const candidates = [byCount, ...shortest.map((tiles) => sharesByDocument(settings, found, tiles))];
  const times = candidates.map((shares) => timeOf(settings, documents, found, shares));
  return candidates[times.indexOf(Math.min(...times))]!;
}

/** Pieces of a document are at least so many tiles long: attention looks at whole ones. The longest: every document is one piece. */
const shortest = [0.5, 2, 8, Number.POSITIVE_INFINITY];

/** Long documents in zigzag, then short ones whole, as long as there is room. */
function sharesByDocument(settings: Sharing, documents: readonly TokenRange[], tiles: number): Shares {
  const { layout, seqLen, attentionBlock = keysOfTile } = settings;
  const { cp } = layout;
  const shares = slowestAlong(settings, 'cp').map((speed) => ({
    speed,
    tokens: 0,
    cost: 0,
    ranges: [] as TokenRange[],
  }));
  const room = seqLen / cp;
  /** What does not fit on a rank goes to the one with most room. */
  const put = (share: (typeof shares)[number], [start, end]: TokenRange): void => {
    const fits = Math.min(end - start, room - share.tokens);
    if (fits > 0) share.ranges.push([start, start + fits]);
    share.tokens += fits;
    if (start + fits === end) return;
    put(
      shares.reduce((most, each) => (each.tokens < most.tokens ? each : most)),
      [start + fits, end],
    );
  };
  const longestFirst = documents.toSorted((a, b) => b[1] - b[0] - (a[1] - a[0]) || a[0] - b[0]);
  for (const document of longestFirst) {
    const [start, end] = document;
    const tokens = end - start;
    const cost = scoresIn(tokens, settings);
    if (tokens < 2 * cp * tiles * attentionBlock) {
      const open = shares.filter((share) => share.tokens + tokens <= room);
      const done = (share: (typeof shares)[number]) => (share.cost + cost) / share.speed;
      const soonest = (open.length > 0 ? open : shares).reduce((best, share) =>
        done(share) < done(best) ? share : best,
      );
      put(soonest, document);
      soonest.cost += cost;
      continue;
    }
    const cut = (piece: number): number => start + Math.round((piece * tokens) / (2 * cp));
    for (const [rank, share] of shares.entries()) {
      for (const piece of [rank, 2 * cp - 1 - rank]) put(share, [cut(piece), cut(piece + 1)]);
      share.cost += cost / cp;
    }
  }
  return shares.map(({ ranges }) => joined(ranges.sort((a, b) => a[0] - b[0])));
}

/** Scores that are computed one after another, at speed 1: at every step of a ring, all ranks wait for the one that computes longest. */
function timeOf(settings: Sharing, documents: ArrayLike<number>, found: readonly TokenRange[], shares: Shares): number {
  const { layout, config, attentionBlock } = settings;
  const speeds = slowestAlong(settings, 'cp');
  const positions = new Int32Array(documents.length);
  for (const [start, end] of found) for (let i = start; i < end; i++) positions[i] = i - start;
  const group = Math.max(1, config.heads / config.kvHeads);
  const cutting = {
    group,
    ...(config.window ? { window: config.window } : {}),
    ...(attentionBlock ? { block: attentionBlock } : {}),
  };
  const at = (members: readonly number[]) =>
    placesAt(
      { positions, documents },
      members.flatMap((member) => shares[member]!),
    );
  const steps = shares.map((_, rank) =>
    keyMembers(layout, rank).map(
      (members) => scoresOf(cutIntoBlocks(at([rank]), at(members), cutting), group) / speeds[rank]!,
    ),
  );
  return steps[0]!.reduce((sum, _, step) => sum + Math.max(...steps.map((own) => own[step]!)), 0);
}

/** Some tokens of a sequence, side by side. */
export function placesAt({ positions, documents }: Places, ranges: readonly TokenRange[]): Places {
  const picked = { positions: new Int32Array(countTokens(ranges)), documents: new Int32Array(countTokens(ranges)) };
  eachRange(ranges, ([start, end], to) => {
    for (let i = start; i < end; i++) {
      picked.positions[to + i - start] = positions[i]!;
      picked.documents[to + i - start] = documents[i]!;
    }
  });
  return picked;
}

/** Ranges one after another, those that touch as one. */
function joined(ranges: readonly TokenRange[]): TokenRange[] {
  const all: [number, number][] = [];
  for (const [start, end] of ranges) {
    const last = all.at(-1);
    if (last?.[1] === start) last[1] = end;
    else all.push([start, end]);
  }
  return all;
}
