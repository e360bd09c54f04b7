// How vectors are cut among the members of a group and into chunks.
import type { Vector } from '../transport.ts';

/** Elements per cache line: ranks write whole lines of a shared output. */
export const lineElements = (data: Vector): number => 64 / data.BYTES_PER_ELEMENT;

/** Where slice `k` of `count` elements starts when `ranks` members share it. */
export function sliceStart(count: number, k: number, ranks: number, grain: number): number {
  if (k === ranks) return count;
  return Math.floor((count * k) / ranks / grain) * grain;
}

/** Chunks of about equal size, so that the last is not a crumb. */
export function chunkLength(total: number, most: number, grain: number): number {
  const chunks = Math.ceil(total / most);
  return Math.min(most, Math.ceil(total / chunks / grain) * grain);
}
