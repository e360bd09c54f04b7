// Least squares with coefficients of at least 0: what parts of a time cost, found from measured times.

export interface Measured {
  /** What the time is made of: the same list of things in every measurement. */
  readonly amounts: readonly number[];
  readonly seconds: number;
}

/** Sweeps over the coefficients, at most; before, they end when none moves any more. */
const sweeps = 3000;
const still = 1e-9;

/**
 * Seconds of one of each amount, at least 0, with which the predicted times are nearest to those measured: the squares of errors in proportion to a time,
 * each counted by that time, as what takes longer is more of a step.
 */
export function nonNegativeFit(all: readonly Measured[]): number[] {
  const count = all[0]?.amounts.length ?? 0;
  const rows = all.map(({ amounts, seconds }) => amounts.map((amount) => amount / Math.sqrt(seconds)));
  const squares = Array.from({ length: count }, (_, j) => rows.reduce((sum, row) => sum + row[j]! ** 2, 0));
  const costs = Array<number>(count).fill(0);
  const left = all.map(({ seconds }) => Math.sqrt(seconds));
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let moved = false;
    for (let j = 0; j < count; j++) {
      if (squares[j] === 0) continue;
      const along = rows.reduce((sum, row, i) => sum + row[j]! * left[i]!, 0);
      const next = Math.max(0, costs[j]! + along / squares[j]!);
      const by = next - costs[j]!;
      costs[j] = next;
      moved ||= Math.abs(by) > still * next;
      if (by !== 0) for (let i = 0; i < rows.length; i++) left[i]! -= by * rows[i]![j]!;
    }
    if (!moved) break;
  }
  return costs;
}

/** Seconds of so much of each, at these costs. */
export const costed = (amounts: readonly number[], costs: readonly number[]): number =>
  amounts.reduce((sum, amount, j) => sum + amount * costs[j]!, 0);
