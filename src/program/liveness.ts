// Plans memory: gives every buffer an offset in one arena so that buffers alive at the same time never overlap.
import { type Lifetime, livesOf, type Placed, peakOf } from './lives.ts';
import { placeBySize } from './place-by-size.ts';
import { placeByTime } from './place-by-time.ts';

export interface MemoryPlan {
  readonly offsets: readonly number[];
  /** Size of the arena. */
  readonly bytes: number;
  /** Most bytes alive at once: no plan can need less. */
  readonly peakBytes: number;
}

/** How far above the peak a plan may be before another is looked for: from both ends, which costs little, or by size. */
const enough = { fromBothEnds: 1.002, bySize: 1.04 };

/**
 * The smallest of three: by time from below; by time from both ends; and by size, for programs that the first two place badly. Steps
 * of training are stacks and queues of the same sizes, which time alone packs almost perfectly; only what is like nothing needs more.
 */
export function planMemory(lifetimes: readonly Lifetime[]): MemoryPlan {
  const lives = livesOf(lifetimes);
  const peakBytes = peakOf(lives);
  let best = placeByTime(lives);
  const consider = (above: number, place: () => Placed | undefined): void => {
    if (best.bytes <= peakBytes * above) return;
    const placed = place();
    if (placed && placed.bytes < best.bytes) best = placed;
  };
  consider(enough.fromBothEnds, () => placeByTime(lives, peakBytes));
  consider(enough.bySize, () => placeBySize(lives));
  return { offsets: Array.from(best.offsets), bytes: best.bytes, peakBytes };
}
