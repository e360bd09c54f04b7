// Expert parallelism: ranks of ep have some of the experts each, and other sequences. What a token's experts need of it goes to their ranks
// (dispatch), where it looks like tokens of one expert each, and what they make of it comes back (combine); as in GShard (Lepikhin et
// al., 2020), but with as many rows as there are, not padded to a capacity.
import { dataAxes } from '../mesh/mesh.ts';
import { exchangeCounts, exchangeRows, packRows, sendOrder, unpackRows, usedRows } from '../ops/exchange-rows.ts';
import type { Filled } from '../ops/grouped-loop.ts';
import { enterLocal, leaveLocal } from '../ops/local.ts';
import type { Routes } from '../ops/route.ts';
import { elements, type Value } from '../program/program.ts';
import { at } from '../program/trace.ts';
import type { Sent } from './router.ts';

/** What is computed with experts, on their ranks. */
export interface Dispatched extends Routes {
  /** [b, s, hidden]. */
  readonly tokens: Value;
  /** What is known beforehand of how many slots are this rank's: on average as many as it sends. */
  readonly filled: Filled;
  /** A parameter of theirs. */
  readonly own: (param: Value) => Value;
  /** What experts made of tokens, back at the tokens' rank and summed up there. */
  readonly combine: (made: Value) => Value;
}

/** h [b, s, hidden] and where it goes -> what this rank's experts get of all ranks' tokens; `experts`: of a layer. */
export function dispatch(h: Value, { weights, kept, filled, most, room: given }: Sent, experts: number): Dispatched {
  const slots = elements(kept.shape);
  const ranks = h.trace.mesh.ep;
  const { filled: sent = slots } = filled;
  // As many come as are sent where tokens go to experts evenly.
  const room = given === 'even' ? Math.ceil(sent) : Math.min(slots, experts * most);
  // Where many slots have no expert, only those that do are laid side by side, as if they were sent.
  if (ranks === 1 && room === slots)
    return { tokens: h, weights, experts: kept, filled, own: (param) => param, combine: (made) => made };
  // Rows of tokens that lie over other axes are not slices of anything.
  const local = (x: Value) => dataAxes.reduce((value, axis) => enterLocal(value, axis), x);
  const each = experts / ranks;
  const perToken = kept.shape[2]!;
  return at(h.trace, 'dispatch', () => {
    const { experts: wanted, ...order } = sendOrder(local(kept), { ranks, each, room });
    const received = exchangeCounts(order.counts, 'ep');
    // A token has an expert at most once.
    const can = ranks * Math.min(each * most, (slots / perToken) * Math.min(perToken, each));
    const arriving = given === 'even' ? room : can;
    const go = (rows: Value) => exchangeRows(rows, 'ep', order.counts, received, { room: arriving, sent });
    const combine = (made: Value) =>
      at(h.trace, 'combine', () => {
        const back = exchangeRows(made, 'ep', received, order.counts, { room, sent });
        return dataAxes.reduce((value, axis) => leaveLocal(value, axis, h.types[axis]!), unpackRows(back, order));
      });
    return {
      tokens: go(packRows(local(h), order, room)),
      weights: go(packRows(local(weights), order, room)),
      experts: usedRows(go(wanted), received),
      filled: { filled: sent },
      own: local,
      combine,
    };
  });
}
