// Attention of tokens that are cut over cp: one function a mode. Their gradients are those of the ops.
//
//   ring      keys and values go round: at every step each rank looks at those of one more, and merges what it found
//   gather    every rank gathers the keys and values of all tokens for its own queries
//   ulysses   tokens are exchanged for heads: every rank has all tokens of some heads, and gives its tokens back
import { type CpMode, type Layout, oneRank } from '../mesh/layout.ts';
import { keyTokens, queryTokens } from '../mesh/sequence.ts';
import { attention, partialAttention, type TokenPlaces } from '../ops/attention.ts';
import type { AttentionAttrs } from '../ops/attention-size.ts';
import { allGather, ownSlice } from '../ops/collectives.ts';
import { headsFirst, headsLast } from '../ops/heads.ts';
import { enterLocal, exchangeBlocks, joinBlocks, leaveLocal, ringShift, splitBlocks } from '../ops/local.ts';
import { finishAttention, mergeAttention } from '../ops/partial-attention.ts';
import type { Value } from '../program/program.ts';

/** Where tokens stand: this rank's own, and those that its queries and its keys are of, the keys block by block (see mesh/sequence.ts). */
export interface AttentionPlaces {
  readonly own: TokenPlaces;
  readonly queries: TokenPlaces;
  readonly keys: readonly TokenPlaces[];
}

type Attend = (q: Value, k: Value, v: Value, places: AttentionPlaces, attrs: readonly AttentionAttrs[]) => Value;

const modes: Readonly<Record<CpMode, Attend>> = { ring, gather, ulysses };

/** q [b, s, heads, headDim], k and v [b, s, kvHeads, headDim] of this rank's tokens, cut over cp (V1) -> like q. */
export function contextAttention(
  q: Value,
  k: Value,
  v: Value,
  places: AttentionPlaces,
  attrs: AttentionAttrs,
  layout: Layout,
): Value {
  if (layout.cp === oneRank.cp) return attention(q, k, v, { queries: places.queries, keys: places.keys[0]! }, attrs);
  const { cp } = q.trace.coords;
  const tokens = q.shape[1]! * layout.cp;
  const queries = queryTokens(layout, tokens, cp);
  const each = keyTokens(layout, tokens, cp).map((keys) => ({ ...attrs, stand: { queries, keys } }));
  return modes[layout.cpMode](q, k, v, places, each);
}

const groupOf = (q: Value, k: Value): number => Math.max(1, Math.floor(q.shape[2]! / k.shape[2]!));

function ring(
  q: Value,
  k: Value,
  v: Value,
  { queries, keys: blocks }: AttentionPlaces,
  attrs: readonly AttentionAttrs[],
) {
  const local = (x: Value) => enterLocal(x, 'cp');
  const localPlaces = ({ positions, documents }: TokenPlaces) => ({
    positions: local(positions),
    documents: local(documents),
  });
  const own = local(headsFirst(q, groupOf(q, k)));
  const [first, ...others] = blocks as [TokenPlaces, ...TokenPlaces[]];
  const standing = localPlaces(queries);
  let [key, value] = [local(headsFirst(k, 1)), local(headsFirst(v, 1))];
  let found = partialAttention(own, key, value, { queries: standing, keys: localPlaces(first) }, attrs[0]!);
  for (const [index, keys] of others.entries()) {
    [key, value] = [ringShift(key, 'cp', 1), ringShift(value, 'cp', 1)];
    const part = partialAttention(own, key, value, { queries: standing, keys }, attrs[index + 1]!);
    found = mergeAttention(found, part);
  }
  return headsLast(leaveLocal(finishAttention(found), 'cp', 'V2'));
}

function gather(q: Value, k: Value, v: Value, { queries, keys }: AttentionPlaces, [attrs]: readonly AttentionAttrs[]) {
  const all = (x: Value) => allGather(headsFirst(x, 1), 'cp', 2);
  const places = { queries, keys: keys[0]! };
  return headsLast(finishAttention(partialAttention(headsFirst(q, groupOf(q, k)), all(k), all(v), places, attrs!)));
}

/** Tensor parallelism may have cut the heads before: its slices are cut again, so that both axes are local. */
function ulysses(q: Value, k: Value, v: Value, { queries, keys }: AttentionPlaces, [attrs]: readonly AttentionAttrs[]) {
  const { mesh, coords } = q.trace;
  const kvHeads = k.shape[2]!;
  const forHeads = (x: Value) => {
    const blocks = splitBlocks(enterLocal(enterLocal(x, 'tp'), 'cp'), 2, mesh.cp);
    return joinBlocks(exchangeBlocks(blocks, 'cp'), 1);
  };
  /** Fewer key-value heads than ranks: all of them come, and this rank keeps the one that its query heads share. */
  const sharedHead = (x: Value) => {
    const start = Math.floor((coords.cp * kvHeads) / mesh.cp);
    return enterLocal(ownSlice(allGather(enterLocal(x, 'tp'), 'cp', 1), 'cp', 2, { start, size: 1 }), 'cp');
  };
  const keyHeads = kvHeads % mesh.cp === 0 ? forHeads : sharedHead;
  const attended = attention(forHeads(q), keyHeads(k), keyHeads(v), { queries, keys: keys[0]! }, attrs!);
  const tokens = joinBlocks(exchangeBlocks(splitBlocks(attended, 1, mesh.cp), 'cp'), 2);
  return leaveLocal(leaveLocal(tokens, 'cp', 'V1'), 'tp', 'V2');
}
