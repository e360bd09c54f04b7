// Where the paths through the threads transport part, in full: the plan's own limits over the measured defaults.
import { availableParallelism } from 'node:os';
import type { TransportLimits, TransportPlan } from '../transport.ts';

const defaults: TransportLimits = {
  smallReduceBytes: 4096,
  inPlaceBytes: 16 * 1024,
  inPlaceReduceBytes: 32 * 1024,
  // All slots of a small group stay in the cache.
  chunkBytes: 128 * 1024,
  // Both sides of a channel copy at the same time.
  pieceBytes: 64 * 1024,
  // Up to here a plain loop beats making views.
  loopElements: 32,
};

/** The same where ranks outnumber cores: measured, too. */
const crowdedReduceBytes = 256 * 1024;

export function limitsOf(plan: TransportPlan): TransportLimits {
  const largest = plan.groups.reduce((most, { ranks }) => Math.max(most, ranks.length), 1);
  const limits = {
    ...defaults,
    chunkBytes: Math.max(defaults.chunkBytes, 64 * largest),
    ...(plan.size > availableParallelism() && { inPlaceReduceBytes: crowdedReduceBytes }),
    ...plan.limits,
  };
  const { chunkBytes, pieceBytes } = limits;
  // A tile holds at least a cache line of every rank's block.
  if (chunkBytes % 64 !== 0 || chunkBytes < 64 * largest)
    throw new Error(`chunkBytes ${chunkBytes} is no multiple of 64 of at least ${64 * largest}`);
  if (pieceBytes % 8 !== 0 || pieceBytes < 8) throw new Error(`pieceBytes ${pieceBytes} is no positive multiple of 8`);
  return limits;
}
