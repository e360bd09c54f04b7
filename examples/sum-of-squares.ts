// The sum of the squares of a million numbers: each rank adds up those of its share, and one all-reduce adds up the sums.
// Run it with `npx tsx examples/sum-of-squares.ts`.
import { createPool, isRank, printScaling, runRanks, type Transport, worldGroup } from 'fivefold';

interface Result {
  readonly sum: number;
  readonly seconds: number;
}

/** What each rank does, in a thread of its own that has loaded this file: the fastest of a few times counts. */
export function rank(transport: Transport, share: Float64Array): Result {
  const everyone = worldGroup(transport.size);
  const total = new Float64Array(1);
  let seconds = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < 10; repeat++) {
    transport.barrier(everyone, 'start');
    const start = performance.now();
    let sum = 0;
    for (const x of share) sum += x * x;
    total[0] = sum;
    transport.allReduce(everyone, total, 'sum', 'sum of squares');
    seconds = Math.min(seconds, (performance.now() - start) / 1000);
  }
  return { sum: total[0]!, seconds };
}

async function main(): Promise<void> {
  const numbers = Float64Array.from({ length: 1_000_000 }, (_, index) => Math.sin(index));
  const pool = createPool();
  let secondsOfOne = 0;
  for (const ranks of [1, 2, 4]) {
    const starts = Array.from({ length: ranks + 1 }, (_, index) => Math.round((index * numbers.length) / ranks));
    const shares = Array.from({ length: ranks }, (_, index) => numbers.slice(starts[index], starts[index + 1]));
    const results = await runRanks<Result>(import.meta.url, shares, { pool });
    const seconds = Math.max(...results.map((each) => each.seconds));
    if (ranks === 1) secondsOfOne = seconds;
    console.log(`sum of squares on ${ranks}: ${results[0]!.sum.toFixed(6)}`);
    if (ranks > 1) console.log(`  ${printScaling(ranks, seconds, secondsOfOne)}`);
  }
  await pool.close();
}

if (!isRank) await main();
