// Bytes a rank sends in a collective: the one definition that predictions and the runtime's counters share.
import type { GroupAxis } from './mesh.ts';

export const countedOps = [
  'allReduce',
  'allGather',
  'reduceScatter',
  'allToAll',
  'allToAllV',
  'ringShift',
  'broadcast',
  'send',
] as const;
export type CollectiveOp = (typeof countedOps)[number];
/** Those of a whole group. */
export type GroupCall = Exclude<CollectiveOp, 'send'>;

/** What one rank did on every axis or set of axes: calls and the bytes it sent. */
export type TrafficCounters = {
  readonly [axis in GroupAxis]?: {
    readonly [op in CollectiveOp]?: { readonly calls: number; readonly bytes: number };
  };
};

/**
 * Bytes one rank of a group of `groupSize` sends, by the bandwidth-optimal ring algorithm whatever the transport does.
 * `bytes` is the vector's, except for allGather: the shard's, and reduceScatter: the whole's. Rounded to whole bytes. Of an allToAllV, whose
 * blocks are known only when it runs, these are the bytes of even ones; counters have those that were sent.
 */
export function trafficBytes(op: CollectiveOp, bytes: number, groupSize: number): number {
  if (op === 'send') return bytes;
  if (groupSize <= 1) return 0;
  const others = groupSize - 1;
  switch (op) {
    case 'allReduce':
      return Math.round((2 * bytes * others) / groupSize);
    case 'allGather':
      return bytes * others;
    case 'reduceScatter':
    case 'allToAll':
    case 'allToAllV':
    case 'broadcast':
      return Math.round((bytes * others) / groupSize);
    case 'ringShift':
      return bytes;
  }
}
