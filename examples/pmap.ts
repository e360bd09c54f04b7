// A map over ranks, as jax.pmap: the same function on each rank's slice of an array, and the results put together; then a function
// with a collective in it, as jax.lax.psum. Run it with `npx tsx examples/pmap.ts`.
import { createPool, isRank, printScaling, runRanks, type Transport, type WorldPool, worldGroup } from 'fivefold';

type Mapped = (slice: Float64Array, transport: Transport) => Float64Array;

/** Functions cannot travel from thread to thread, but their names can: every rank has loaded this file. */
const functions = {
  /** The cube root, by Newton's method. */
  cubeRoot: (slice) =>
    slice.map((x) => {
      let root = 1;
      for (let step = 0; step < 30; step++) root -= (root - x / (root * root)) / 3;
      return root;
    }),
  /** x / psum(x): what each number is of the sum over all ranks. */
  share(slice, transport) {
    const sum = Float64Array.of(slice.reduce((a, b) => a + b, 0));
    transport.allReduce(worldGroup(transport.size), sum, 'sum', 'psum');
    return slice.map((x) => x / sum[0]!);
  },
} as const satisfies Record<string, Mapped>;

interface Job {
  readonly name: keyof typeof functions;
  readonly slice: Float64Array;
}
interface Result {
  readonly values: Float64Array;
  readonly seconds: number;
}

export function rank(transport: Transport, { name, slice }: Job): Result {
  transport.barrier(worldGroup(transport.size), 'start');
  const start = performance.now();
  const values = functions[name](slice, transport);
  return { values, seconds: (performance.now() - start) / 1000 };
}

/** The function over `ranks` equal slices of x, each on a rank, and the seconds that the slowest took. */
async function pmap(name: Job['name'], x: Float64Array, ranks: number, pool: WorldPool): Promise<Result> {
  const size = x.length / ranks;
  const jobs = Array.from({ length: ranks }, (_, i): Job => ({ name, slice: x.slice(i * size, (i + 1) * size) }));
  const results = await runRanks<Result>(import.meta.url, jobs, { pool });
  const values = new Float64Array(x.length);
  for (const [index, result] of results.entries()) values.set(result.values, index * size);
  return { values, seconds: Math.max(...results.map(({ seconds }) => seconds)) };
}

async function main(): Promise<void> {
  const pool = createPool();
  const x = Float64Array.from({ length: 400_000 }, (_, index) => 1 + index / 1000);
  for (const name of ['cubeRoot', 'share'] as const) {
    const [one, eight] = [await pmap(name, x, 1, pool), await pmap(name, x, 8, pool)];
    const differences = one.values.map((value, index) => Math.abs(value - eight.values[index]!));
    const most = differences.reduce((a, b) => Math.max(a, b));
    console.log(`${name}: 8 ranks differ from one by ${most.toExponential(1)} at most`);
    console.log(`  ${printScaling(8, eight.seconds, one.seconds)}`);
  }
  await pool.close();
}

if (!isRank) await main();
