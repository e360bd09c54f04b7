// Where everything lies in the memory that the ranks of one world share (byte offsets).
//
//   abort words │ rank 0: status, flight recorder, sites │ rank 1 ... │ group 0: lines, slots, outputs, scratch │ group 1 ...
//
// A group has two of everything a peer reads (lines, slots, outputs): phase p uses those of parity p & 1, see group-end.ts.
import type { Group } from '../../../mesh/mesh.ts';
import { recorderBytes } from '../../flight-recorder.ts';
import type { TransportLimits, TransportPlan } from '../transport.ts';
import { limitsOf } from './limits.ts';

/** Two cache lines: neighbouring lines are fetched together, so ranks must not write into a pair. */
export const lineBytes = 128;
/** Slots are a little apart from powers of two, so that the same offsets do not compete for one cache set. */
const slotGap = 320;

export const siteCount = 2048;
/** One byte of length, then UTF-8. */
export const siteBytes = 64;

const statusBytes = 128;
const rankBytes = statusBytes + recorderBytes + siteCount * siteBytes;

/** The first 64 KB stay free: address 0 is nobody's. */
const abortAt = 65536;
const ranksAt = abortAt + lineBytes;

export interface GroupMap {
  /** Line of member m and parity q: lines + (2 m + q) lineBytes. */
  readonly lines: number;
  /** Slot of member m and parity q: slots + (q size + m) slotStride. */
  readonly slots: number;
  /** Output of parity q, written by all members: outputs + q slotStride. */
  readonly outputs: number;
  /** Scratch of member m, seen by nobody else: scratch + m slotStride. */
  readonly scratch: number;
}

export interface MemoryMap {
  readonly limits: TransportLimits;
  /** From one slot, output or scratch to the next. */
  readonly slotStride: number;
  readonly abort: number;
  readonly groups: readonly GroupMap[];
  readonly bytes: number;
}

export const statusAt = (rank: number): number => ranksAt + rank * rankBytes;
export const recordsAt = (rank: number): number => statusAt(rank) + statusBytes;
export const sitesAt = (rank: number): number => recordsAt(rank) + recorderBytes;

export function mapMemory(plan: TransportPlan): MemoryMap {
  const limits = limitsOf(plan);
  const slotStride = limits.chunkBytes + slotGap;
  let next = ranksAt + plan.size * rankBytes;
  const take = (bytes: number): number => {
    const at = next;
    next += Math.ceil(bytes / lineBytes) * lineBytes;
    return at;
  };
  const groups = plan.groups.map(({ ranks }: Group): GroupMap => {
    const size = ranks.length;
    if (size === 1) return { lines: 0, slots: 0, outputs: 0, scratch: 0 };
    return {
      lines: take(2 * size * lineBytes),
      slots: take(2 * size * slotStride),
      outputs: take(2 * slotStride),
      scratch: take(size * slotStride),
    };
  });
  return { limits, slotStride, abort: abortAt, groups, bytes: next };
}
