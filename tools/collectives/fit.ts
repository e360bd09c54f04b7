// Numbers that make predictions nearest to measurements, by a search along one of them at a time.
import type { LinkCost } from '../../src/plan/cost/link-cost.ts';
import type { LinkKind } from '../../src/plan/hardware/link.ts';
import { errorOf } from './errors.ts';
import type { Row } from './rows.ts';

/** A fitted number: read from a link's cost, and put there. */
interface Knob {
  readonly get: (cost: LinkCost) => number;
  readonly set: (cost: LinkCost, value: number) => LinkCost;
  readonly most: number;
}

const ofProtocol = (index: number, key: 'startSeconds' | 'perHop' | 'share', most: number): Knob => ({
  get: ({ protocols }) => protocols[index]![key],
  set: (cost, value) => ({
    ...cost,
    protocols: cost.protocols.map((each, i) => (i === index ? { ...each, [key]: value } : each)),
  }),
  most,
});

const knobs: readonly Knob[] = [
  ...[0, 1, 2].flatMap((index) => [
    ofProtocol(index, 'startSeconds', 1),
    ofProtocol(index, 'perHop', 20),
    ofProtocol(index, 'share', 1),
  ]),
  { get: ({ own }) => own, set: (cost, own) => ({ ...cost, own }), most: 2 },
  { get: ({ ownExchanged }) => ownExchanged, set: (cost, ownExchanged) => ({ ...cost, ownExchanged }), most: 2 },
  { get: ({ peerSeconds }) => peerSeconds, set: (cost, peerSeconds) => ({ ...cost, peerSeconds }), most: 1 },
  { get: ({ sendShare }) => sendShare, set: (cost, sendShare) => ({ ...cost, sendShare }), most: 1 },
];

const ofSwitches: readonly Knob[] = (['startSeconds', 'share'] as const).map((key) => ({
  get: ({ switched }) => switched![key],
  set: (cost, value) => ({ ...cost, switched: { ...switched(cost), [key]: value } }),
  most: 1,
}));
const switched = (cost: LinkCost) => cost.switched!;

/** The mean size of the logarithm of predicted over measured: twice as much is as bad as half, and outliers count once. */
const lossOf = (rows: readonly Row[], costs: Readonly<Record<LinkKind, LinkCost>>): number =>
  rows.reduce((sum, row) => sum + Math.abs(Math.log1p(errorOf(row, costs))), 0) / rows.length;

/** One kind's cost fitted to rows, those of the other kinds held. */
export function fitted(rows: readonly Row[], kind: LinkKind, costs: Readonly<Record<LinkKind, LinkCost>>): LinkCost {
  let best = costs[kind];
  let loss = lossOf(rows, costs);
  const all = best.switched ? [...knobs, ...ofSwitches] : knobs;
  for (let factor = 2; factor > 1.002; factor = Math.sqrt(factor)) {
    for (let round = 0; round < 12; round++) {
      const before = loss;
      for (const { get, set, most } of all) {
        for (const step of [factor, 1 / factor]) {
          const tried = set(best, Math.min(most, get(best) * step));
          const triedLoss = lossOf(rows, { ...costs, [kind]: tried });
          if (triedLoss < loss) [best, loss] = [tried, triedLoss];
        }
      }
      if (loss > before * 0.9999) break;
    }
  }
  return best;
}
