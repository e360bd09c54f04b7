// What running on more ranks gained: speedup, efficiency, and the serial fraction that would explain it. Pure arithmetic.
export interface Scaling {
  /** t(1) / t(n). */
  readonly speedup: number;
  /** Speedup / n. */
  readonly efficiency: number;
  /**
   * The share of the work that would have to be serial for Amdahl's law to give this speedup (Karp and Flatt, 1990):
   * (1/S - 1/n) / (1 - 1/n). Above 1 when more ranks are slower than one, below 0 when the speedup is more than n; NaN for one rank
   * and where the work grows with the ranks.
   */
  readonly serialFraction: number;
}

/**
 * `work`: how many times the work of one rank's step was done. 1 when the step is the same for any number of ranks (strong
 * scaling), the number of ranks when each does as much as one did alone (weak scaling); speedup then is that of the throughput.
 */
export function scalingOf(ranks: number, seconds: number, secondsOfOne: number, work = 1): Scaling {
  const speedup = (work * secondsOfOne) / seconds;
  const serialFraction = ranks === 1 || work > 1 ? Number.NaN : (1 / speedup - 1 / ranks) / (1 - 1 / ranks);
  return { speedup, efficiency: speedup / ranks, serialFraction };
}

/**
 * The serial share in words where the number would mislead: a run slower than on one rank has no serial share, and one faster than
 * n times none either.
 */
export function serialShare({ speedup, serialFraction }: Scaling): number | 'slower' | 'none' | undefined {
  if (Number.isNaN(serialFraction)) return undefined;
  if (speedup < 1) return 'slower';
  return serialFraction < 0 ? 'none' : serialFraction;
}

/** In a line: `one rank 1.20 s, 2 ranks 0.80 s: speedup 1.50, efficiency 0.75, serial fraction 0.33`. */
export function printScaling(ranks: number, seconds: number, secondsOfOne: number): string {
  const time = (value: number): string => (value < 1 ? `${(1e3 * value).toFixed(2)} ms` : `${value.toFixed(2)} s`);
  const { speedup, efficiency, serialFraction } = scalingOf(ranks, seconds, secondsOfOne);
  const figures = `speedup ${speedup.toFixed(2)}, efficiency ${efficiency.toFixed(2)}, serial fraction ${serialFraction.toFixed(2)}`;
  return `one rank ${time(secondsOfOne)}, ${ranks} ranks ${time(seconds)}: ${figures}`;
}
