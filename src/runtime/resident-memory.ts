// By how much the resident memory of this process grows from a moment on, at most.
import { readFileSync } from 'node:fs';

export interface ResidentWatch {
  /** Looks now, for systems that keep no peak. */
  readonly sample: () => void;
  /** The most bytes so far over what there was at the start. */
  readonly growth: () => number;
}

export function watchResident(): ResidentWatch {
  const [start, peakBefore] = [process.memoryUsage.rss(), peakBytes()];
  let most = start;
  const sample = (): void => {
    most = Math.max(most, process.memoryUsage.rss());
  };
  return {
    sample,
    growth() {
      sample();
      const peak = peakBytes();
      // An older peak says nothing of what came later.
      return Math.max(most, peak > peakBefore ? peak : 0) - start;
    },
  };
}

/** The most this process has ever had resident, on Linux; 0 where nobody knows. */
function peakBytes(): number {
  if (process.platform !== 'linux') return 0;
  try {
    return 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0);
  } catch {
    // Without /proc the samples have to do.
    return 0;
  }
}
