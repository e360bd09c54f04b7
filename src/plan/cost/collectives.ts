// Seconds of a collective with nothing beside it: the quickest of its algorithms, by the quickest of its links' protocols.
//
// A group of 8 ranks in each of 4 nodes, spread [8, 4]. Rings go through all ranks of a node before they leave it, as many rings as it has ranks, so
// that every network card carries an eighth of the data, while links within the node carry all of it.
import type { CollectiveOp } from '../../mesh/traffic.ts';
import type { Cluster, Tier } from '../hardware/cluster.ts';
import { collectiveParameters } from './collective-parameters.ts';
import type { GroupTalk, TalkSeconds } from './cost-model.ts';
import type { LinkCost, Protocol } from './link-cost.ts';

export type LinkCosts = Readonly<Record<Tier['link'], LinkCost>>;

/** The links of one tier, as a group uses them. */
interface Leg {
  readonly tier: Tier;
  readonly cost: LinkCost;
  /** Of the group: within the tier's blocks, blocks within the next tier's, and ranks of one block. */
  readonly ranks: number;
  readonly blocks: number;
  readonly inner: number;
}

/** What an algorithm has to do on every leg. */
interface Way {
  readonly hops: readonly number[];
  /** Bytes that a device sends over the leg's links. */
  readonly bytes: readonly number[];
  readonly peers?: readonly number[];
  readonly kind: keyof typeof protocolsOf;
}

/** Seconds by the fitted parameters. */
export const talkSeconds: TalkSeconds = (talk, cluster) => secondsOf(talk, cluster, collectiveParameters);

/** Seconds by the parameters that are given. A call that moves nothing takes no time. */
export function secondsOf({ call, bytes, spread }: GroupTalk, cluster: Cluster, costs: LinkCosts): number {
  const legs = legsOf(spread, cluster, costs);
  if (legs.length === 0 || bytes === 0) return 0;
  return Math.min(...waysOf(call, bytes, legs).map((way) => timeOf(way, legs)));
}

function legsOf(spread: readonly number[], { tiers }: Cluster, costs: LinkCosts): Leg[] {
  const legs: Leg[] = [];
  let inner = 1;
  for (const [i, ranks] of spread.entries()) {
    const tier = tiers[i]!;
    const blocks = spread.slice(i + 1).reduce((a, b) => a * b, 1);
    if (ranks > 1) legs.push({ tier, cost: costs[tier.link], ranks, blocks, inner });
    inner *= ranks;
  }
  return legs;
}

function waysOf(call: CollectiveOp, bytes: number, legs: readonly Leg[]): Way[] {
  const size = legs.reduce((product, { ranks }) => product * ranks, 1);
  switch (call) {
    case 'allReduce':
      return [ring(legs, size, bytes, 2), tree(legs, bytes), ...switched(legs, bytes)];
    case 'allGather':
      return [ring(legs, size, bytes * size, 1)];
    case 'reduceScatter':
    case 'broadcast':
      return [ring(legs, size, bytes, 1)];
    case 'allToAll':
    case 'allToAllV':
      return [exchange(legs, size, bytes)];
    case 'ringShift':
    case 'send':
      return [message(legs, bytes)];
  }
}

/** So many passes of all of the data around all ranks, each of which keeps its own part; half a pass more copies that. */
function ring(legs: readonly Leg[], size: number, bytes: number, passes: 1 | 2): Way {
  const part = bytes / size;
  return {
    kind: 'ring',
    hops: legs.map(({ ranks, blocks }) => passes * (ranks - 1) * blocks),
    bytes: legs.map((leg, i) => {
      const isLast = i === legs.length - 1;
      // Of a ring's hops, the last leg's close it.
      const ofHops = isLast ? 1 : (leg.ranks - 1) / leg.ranks;
      const own = i === 0 ? (leg.cost.own * part) / passes : 0;
      return (passes * (size - 1) * part * ofHops) / leg.inner + own;
    }),
  };
}

/** Up and down a chain within the innermost leg, and a binary tree over the others. */
const tree = (legs: readonly Leg[], bytes: number): Way => ({
  kind: 'ring',
  hops: legs.map(({ ranks }, i) => 2 * (i === 0 ? ranks - 1 : Math.ceil(Math.log2(ranks)))),
  bytes: legs.map(({ ranks, inner }, i) => (2 * bytes * (i === 0 ? (ranks - 1) / ranks : 1)) / inner),
});

/** The switches of the innermost leg add up: a rank sends all once and its part of the sum, and the parts go over the other legs by trees. */
function switched(legs: readonly Leg[], bytes: number): Way[] {
  const [first, ...outer] = legs as [Leg, ...Leg[]];
  if (!first.tier.reducesInSwitches || !first.cost.switched) return [];
  return [
    {
      kind: 'switched',
      hops: [0, ...outer.map(({ ranks }) => 2 * Math.ceil(Math.log2(ranks)))],
      bytes: [
        bytes * (1 + 1 / first.ranks),
        ...outer.map(({ ranks, inner }) => (2 * bytes * (ranks - 1)) / ranks / inner),
      ],
    },
  ];
}

/** A message from every rank to every other, over the innermost leg that joins them. */
function exchange(legs: readonly Leg[], size: number, bytes: number): Way {
  const peers = legs.map(({ ranks, inner }) => inner * (ranks - 1));
  const part = bytes / size;
  return {
    kind: 'exchange',
    hops: legs.map((_, i) => (i === legs.length - 1 ? 1 : 0)),
    bytes: legs.map(({ cost }, i) => (peers[i]! + (i === 0 ? cost.ownExchanged : 0)) * part),
    peers,
  };
}

/** From a rank to another on the outermost leg: the slowest of all that are sent at the time. */
const message = (legs: readonly Leg[], bytes: number): Way => ({
  kind: 'send',
  hops: legs.map((_, i) => (i === legs.length - 1 ? 1 : 0)),
  bytes: legs.map((_, i) => (i === legs.length - 1 ? bytes : 0)),
});

/** Of a link's protocols: messages between two ranks are never sent by the second, sums by switches only by the last. */
const protocolsOf = { ring: [0, 1, 2], exchange: [0, 2], send: [0, 2], switched: [2] } as const;

const timeOf = (way: Way, legs: readonly Leg[]): number =>
  Math.min(...protocolsOf[way.kind].map((protocol) => timeBy(protocol, way, legs)));

/** Data stream over all legs at once, the slowest of which holds up the others; latencies follow one another. */
function timeBy(protocol: number, way: Way, legs: readonly Leg[]): number {
  let [start, latency, stream] = [0, 0, 0];
  for (const [i, leg] of legs.entries()) {
    const { tier, cost } = leg;
    const hops = way.hops[i]!;
    const bytes = way.bytes[i]!;
    const by = protocolOf(cost, protocol, way.kind, i);
    if (hops > 0 || bytes > 0) start = Math.max(start, by.startSeconds);
    latency += hops * tier.latencySeconds * by.perHop + (way.peers?.[i] ?? 0) * cost.peerSeconds;
    stream = Math.max(stream, bytes / (tier.bytesPerSecond * by.share * linksShare(leg, way.kind)));
  }
  return start + latency + stream;
}

function protocolOf(cost: LinkCost, index: number, kind: Way['kind'], leg: number): Protocol {
  const last = cost.protocols.length - 1;
  const by = cost.protocols[Math.min(index, last)]!;
  if (kind === 'switched' && leg === 0) return { ...by, ...cost.switched };
  if (index < last) return by;
  if (kind === 'send') return { ...by, share: cost.sendShare };
  return kind === 'exchange' ? { ...by, share: cost.exchangeShare } : by;
}

function linksShare({ cost, ranks }: Leg, kind: Way['kind']): number {
  const shares = cost.shareOfRanks;
  return shares === undefined ? 1 : shares[kind === 'send' ? 0 : Math.min(ranks, shares.length + 1) - 2]!;
}
