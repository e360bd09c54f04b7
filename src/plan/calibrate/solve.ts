// Linear equations by elimination with pivots.

/** `rows`: coefficients with the right side behind them. They are changed. */
export function solve(rows: number[][]): number[] {
  const size = rows.length;
  for (let at = 0; at < size; at++) {
    let pivot = at;
    for (let below = at + 1; below < size; below++)
      if (Math.abs(rows[below]![at]!) > Math.abs(rows[pivot]![at]!)) pivot = below;
    [rows[at], rows[pivot]] = [rows[pivot]!, rows[at]!];
    for (let below = at + 1; below < size; below++) {
      const factor = rows[below]![at]! / rows[at]![at]!;
      for (let j = at; j <= size; j++) rows[below]![j]! -= factor * rows[at]![j]!;
    }
  }
  const solution = Array<number>(size).fill(0);
  for (let at = size - 1; at >= 0; at--) {
    const known = solution.reduce((sum, value, j) => (j > at ? sum + value * rows[at]![j]! : sum), 0);
    solution[at] = (rows[at]![size]! - known) / rows[at]![at]!;
  }
  return solution;
}
