// The threads all-reduce of two ranks against Open MPI's on this machine, in turns: `npx tsx bench/all-reduce.ts`.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { formatTable } from '../src/cli/ui/table.ts';
import type { Group } from '../src/mesh/mesh.ts';
import { runWorld } from '../src/runtime/world.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import type { AllReduceJob } from './all-reduce-rank.ts';

export interface AllReduceRow {
  readonly bytes: number;
  readonly threadsMicroseconds: number;
  /** Missing where Open MPI is not installed. */
  readonly mpiMicroseconds?: number;
  /** Open MPI's time over ours: above 1 we are faster. */
  readonly ratio?: number;
}

export interface AllReduceResult {
  readonly barrierMicroseconds: number;
  readonly rows: readonly AllReduceRow[];
  /** Why there are no figures of Open MPI. */
  readonly notice?: string;
}

const KB = 1024;
const sizes: AllReduceJob['sizes'] = [
  { bytes: 64, calls: 500 },
  { bytes: KB, calls: 500 },
  { bytes: 16 * KB, calls: 100 },
  { bytes: 64 * KB, calls: 50 },
  { bytes: 256 * KB, calls: 20 },
  { bytes: 1024 * KB, calls: 5 },
  { bytes: 4096 * KB, calls: 2 },
  { bytes: 16384 * KB, calls: 1 },
];

type Samples = readonly { readonly bytes: number; readonly microseconds: readonly number[] }[];

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}

/** The benchmark program in `folder`, or why there is none. */
function compileMpi(folder: string): { readonly program: string } | { readonly notice: string } {
  const program = join(folder, 'all-reduce-mpi');
  const source = fileURLToPath(new URL('./all-reduce-mpi.c', import.meta.url));
  try {
    execFileSync('mpirun', ['--version'], { stdio: 'pipe' });
    execFileSync('mpicc', ['-O2', '-o', program, source], { stdio: 'pipe' });
    return { program };
  } catch (error) {
    const problem = error instanceof Error ? error.message.split('\n')[0] : String(error);
    return { notice: `no figures of Open MPI (mpicc and mpirun are needed): ${problem}` };
  }
}

function runMpi(program: string): Samples {
  const root = process.getuid?.() === 0 ? ['--allow-run-as-root'] : [];
  const args = sizes.flatMap(({ bytes, calls }) => [String(bytes), String(calls)]);
  const output = execFileSync('mpirun', [...root, '-np', '2', program, ...args], { encoding: 'utf8' });
  return JSON.parse(output) as Samples;
}

/**
 * Medians over `rounds` turns of each side. The ratio is the median of the turns' own ratios: a shared machine changes its pace
 * every few seconds, and a turn is short enough to see both sides at one pace.
 */
export async function benchAllReduce(rounds = 15): Promise<AllReduceResult> {
  const group: Group = { axis: 'tp', ranks: [0, 1] };
  const plan = { size: 2, groups: [group], channels: [], timeoutSeconds: 60 };
  const job: AllReduceJob = { group, sizes, samples: 30 };
  const rankModule = new URL('./all-reduce-rank.ts', import.meta.url);
  const folder = mkdtempSync(join(tmpdir(), 'fivefold-bench-'));
  const pool = createPool();
  const [ours, theirs]: [Samples[], Samples[]] = [[], []];
  const barriers: number[] = [];
  try {
    const mpi = compileMpi(folder);
    for (let round = 0; round < rounds; round++) {
      const [first] = await runWorld({ plan, rankModule, jobs: [job, job], pool });
      const result = first as { barrier: number[]; sizes: Samples };
      barriers.push(...result.barrier);
      ours.push(result.sizes);
      if ('program' in mpi) theirs.push(runMpi(mpi.program));
    }
    const mediansOf = (turns: readonly Samples[], i: number): number[] =>
      turns.map((samples) => median(samples[i]!.microseconds));
    const rows = sizes.map(({ bytes }, i): AllReduceRow => {
      const threads = mediansOf(ours, i);
      if (theirs.length === 0) return { bytes, threadsMicroseconds: median(threads) };
      const mpi = mediansOf(theirs, i);
      const ratio = median(mpi.map((microseconds, turn) => microseconds / threads[turn]!));
      return { bytes, threadsMicroseconds: median(threads), mpiMicroseconds: median(mpi), ratio };
    });
    const barrierMicroseconds = median(barriers);
    return { barrierMicroseconds, rows, ...('notice' in mpi ? { notice: mpi.notice } : {}) };
  } finally {
    await pool.close();
    rmSync(folder, { recursive: true });
  }
}

const sizeText = (bytes: number): string =>
  bytes < KB ? `${bytes} B` : bytes < KB * KB ? `${bytes / KB} KB` : `${bytes / KB / KB} MB`;

/** The result as a table for people. */
export function allReduceTable({ rows, barrierMicroseconds, notice }: AllReduceResult): string {
  const table = formatTable({
    head: ['f32 vector', 'threads (us)', 'GB/s', 'Open MPI (us)', 'ratio'],
    rows: rows.map(({ bytes, threadsMicroseconds, mpiMicroseconds, ratio }) => [
      sizeText(bytes),
      threadsMicroseconds.toFixed(2),
      (bytes / threadsMicroseconds / 1000).toFixed(2),
      mpiMicroseconds?.toFixed(2) ?? '-',
      ratio?.toFixed(2) ?? '-',
    ]),
    align: [undefined, 'right', 'right', 'right', 'right'],
  });
  return `${table}\nbarrier of two ranks: ${barrierMicroseconds.toFixed(2)} us${notice ? `\n${notice}` : ''}`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  console.log(allReduceTable(await benchAllReduce()));
