// Numbers that make predictions nearest to measurements, by a random search of ever smaller steps.
import type { LinkCost } from '../../src/plan/cost/link-cost.ts';
import type { LinkKind } from '../../src/plan/hardware/link.ts';
import { errorOf, wholeBytes } from './errors.ts';
import type { Row } from './rows.ts';

/** A fitted number: read from a link's cost, and put there; within bounds. */
interface Knob {
  readonly get: (cost: LinkCost) => number;
  readonly set: (cost: LinkCost, value: number) => LinkCost;
  readonly least: number;
  readonly most: number;
}

type ProtocolKey = 'startSeconds' | 'perHop' | 'share';

const bounds: Readonly<Record<ProtocolKey, readonly [number, number]>> = {
  startSeconds: [1e-6, 2e-4],
  perHop: [0.3, 10],
  share: [0.01, 0.95],
};

const ofProtocol = (index: number, key: ProtocolKey): Knob => ({
  get: ({ protocols }) => protocols[index]![key],
  set: (cost, value) => ({
    ...cost,
    protocols: cost.protocols.map((each, i) => (i === index ? { ...each, [key]: value } : each)),
  }),
  least: bounds[key][0],
  most: bounds[key][1],
});

const ofLink = (
  key: 'own' | 'ownExchanged' | 'peerSeconds' | 'sendShare' | 'exchangeShare',
  least: number,
  most: number,
): Knob => ({
  get: (cost) => cost[key],
  set: (cost, value) => ({ ...cost, [key]: value }),
  least,
  most,
});

const ofProtocols = [0, 1, 2].flatMap((index) =>
  (['startSeconds', 'perHop', 'share'] as const).map((key) => ofProtocol(index, key)),
);

/** Of more than two ranks, where that is one number. */
const ofCrowd: Knob = {
  get: ({ shareOfRanks }) => shareOfRanks![1]!,
  set: (cost, value) => ({ ...cost, shareOfRanks: [1, value] }),
  least: 0.1,
  most: 1,
};

/** Of what rows show. */
function knobsOf(rows: readonly Row[], { switched, shareOfRanks }: LinkCost): readonly Knob[] {
  const has = (...calls: readonly string[]) => rows.some(({ talk }) => calls.includes(talk.call));
  return [
    ...ofProtocols,
    ...(has('allReduce', 'allGather', 'reduceScatter') ? [ofLink('own', 0.01, 1.5)] : []),
    ...(has('allToAll')
      ? [ofLink('ownExchanged', 0.01, 1.5), ofLink('peerSeconds', 1e-8, 1e-5), ofLink('exchangeShare', 0.1, 1)]
      : []),
    ...(has('send') ? [ofLink('sendShare', 0.1, 1)] : []),
    ...(switched ? ofSwitches : []),
    ...(shareOfRanks?.length === 2 ? [ofCrowd] : []),
  ];
}

/** What passes switches that add up is bound by links alone: less than half of their rate is another algorithm's time. */
const boundsOfSwitches = { startSeconds: [1e-5, 2e-4], share: [0.5, 0.8] } as const;

const ofSwitches: readonly Knob[] = (['startSeconds', 'share'] as const).map((key) => ({
  get: ({ switched }) => switched![key],
  set: (cost, value) => ({ ...cost, switched: { ...cost.switched!, [key]: value } }),
  least: boundsOfSwitches[key][0],
  most: boundsOfSwitches[key][1],
}));

/**
 * The mean size of the logarithm of predicted over measured: twice as much is as bad as half, outliers count once, and below 3 % little is won.
 * Large messages count more, they are what takes time.
 */
function lossOf(rows: readonly Row[], costs: Readonly<Record<LinkKind, LinkCost>>): number {
  let [sum, weights] = [0, 0];
  for (const row of rows) {
    const bytes = wholeBytes(row);
    const weight = bytes > 2 ** 26 ? 4 : bytes > 2 ** 20 ? 2 : 1;
    sum += weight * Math.hypot(Math.log1p(errorOf(row, costs)), 0.03);
    weights += weight;
  }
  return sum / weights;
}

const tries = 7000;
const starts = [1, 2] as const;

/** One kind's cost fitted to rows, those of the other kinds held: the best of a few searches. The same rows give the same numbers. */
export function fitted(rows: readonly Row[], kind: LinkKind, costs: Readonly<Record<LinkKind, LinkCost>>): LinkCost {
  const loss = (cost: LinkCost) => lossOf(rows, { ...costs, [kind]: cost });
  const knobs = knobsOf(rows, costs[kind]);
  const found = starts.map((seed) => search(costs[kind], knobs, loss, randomNumbers(seed)));
  return found.reduce((best, each) => (loss(each) < loss(best) ? each : best));
}

function search(
  start: LinkCost,
  knobs: readonly Knob[],
  lossOf: (cost: LinkCost) => number,
  random: () => number,
): LinkCost {
  let best = start;
  let least = lossOf(best);
  let width = 0.2;
  for (let i = 0; i < tries; i++) {
    let tried = best;
    for (const { get, set, least, most } of knobs) {
      if (random() > 3 / knobs.length) continue;
      const factor = Math.exp(width * (random() + random() + random() - 1.5));
      tried = set(tried, Math.min(most, Math.max(least, get(tried) * factor)));
    }
    const loss = lossOf(tried);
    // Wider after what helped, narrower after what did not: about one in eight is to help.
    width = loss < least ? Math.min(1, width * 1.3) : Math.max(0.01, width * 0.965);
    if (loss < least) [best, least] = [tried, loss];
  }
  return best;
}

/** Numbers in [0, 1) by Marsaglia's xorshift. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
