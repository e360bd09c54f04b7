// A forward and a backward of the other direction side by side (DualPipe): what experts exchange for the one is on its way while the other's kernels run.
import type { RunSeconds } from './run-seconds.ts';

/** Of an H800's 132 multiprocessors 20 do nothing but exchange (DeepSeek-AI 2024, section 3.2.2): kernels have the others meanwhile. */
const slowedBeside = 132 / (132 - 20) - 1;

export interface SideBySide {
  readonly forward: RunSeconds;
  readonly backward: RunSeconds;
}

/** Of both with nothing beside their exchanges. Their sum is what the pair takes; each has its own kernels, and its part of what is not hidden. */
export function sideBySide(forward: RunSeconds, backward: RunSeconds): SideBySide {
  const exchanged = forward.ep + backward.ep;
  const hidden = exchanged === 0 ? 0 : Math.min(1, (forward.compute + backward.compute) / exchanged);
  return { forward: withHidden(forward, hidden), backward: withHidden(backward, hidden) };
}

/** Such a share of its exchanges; all of them: no forward and backward take less. */
export const withHidden = (run: RunSeconds, share: number): RunSeconds => ({
  ...run,
  compute: run.compute + slowedBeside * share * run.ep,
  ep: (1 - share) * run.ep,
});
