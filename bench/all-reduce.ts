// The threads all-reduce of two ranks, of registered vectors and of others, against Open MPI's on this machine, in turns:
// `npx tsx bench/all-reduce.ts [--rounds <n>]`.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../src/cli/ui/table.ts';
import type { Group } from '../src/mesh/mesh.ts';
import { runWorld } from '../src/runtime/world.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import type { AllReduceJob, AllReduceTimes } from './all-reduce-rank.ts';
import { judge, marks, printVerdicts } from './marks.ts';
import { median } from './model.ts';

export interface AllReduceRow {
  readonly bytes: number;
  /** Of vectors in registered memory. */
  readonly registeredMicroseconds: number;
  /** Of other vectors, which go through slots. */
  readonly slotsMicroseconds: number;
  /** The time through slots over that of registered vectors. */
  readonly overSlots: number;
  /** Missing where Open MPI is not installed. */
  readonly mpiMicroseconds?: number;
  /** Open MPI's time over that of registered vectors: above 1 we are faster. */
  readonly overMpi?: number;
}

export interface AllReduceResult {
  readonly barrierMicroseconds: number;
  readonly rows: readonly AllReduceRow[];
  /** Why there are no figures of Open MPI. */
  readonly notice?: string;
}

const KB = 1024;
const size = (bytes: number, calls: number) => ({ bytes, calls, rewrites: bytes >= 16 * KB });
const sizes: AllReduceJob['sizes'] = [
  size(64, 500),
  size(KB, 500),
  size(16 * KB, 100),
  size(32 * KB, 50),
  size(64 * KB, 50),
  size(256 * KB, 20),
  size(1024 * KB, 5),
  size(4096 * KB, 2),
  size(16384 * KB, 1),
];

type Samples = readonly { readonly bytes: number; readonly microseconds: readonly number[] }[];

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
  const args = sizes.flatMap(({ bytes, calls, rewrites }) => [String(bytes), String(calls), rewrites ? '1' : '0']);
  const output = execFileSync('mpirun', [...root, '-np', '2', program, ...args], { encoding: 'utf8' });
  return JSON.parse(output) as Samples;
}

/**
 * Medians over `rounds` turns of each side. The ratio is the median of the turns' own ratios: a shared machine changes its pace
 * every few seconds, and a turn is short enough to see both sides at one pace.
 */
export async function benchAllReduce(rounds: number): Promise<AllReduceResult> {
  const group: Group = { axis: 'tp', ranks: [0, 1] };
  const plan = { size: 2, groups: [group], channels: [], timeoutSeconds: 60 };
  const job: AllReduceJob = { group, sizes, samples: 30 };
  const rankModule = new URL('./all-reduce-rank.ts', import.meta.url);
  const folder = mkdtempSync(join(tmpdir(), 'fivefold-bench-'));
  const pool = createPool();
  const ours: AllReduceTimes[] = [];
  const theirs: Samples[] = [];
  try {
    const mpi = compileMpi(folder);
    for (let round = 0; round < rounds; round++) {
      const [first] = await runWorld({ plan, rankModule, jobs: [job, job], pool });
      ours.push(first as AllReduceTimes);
      if ('program' in mpi) theirs.push(runMpi(mpi.program));
    }
    const rows = sizes.map(({ bytes }, i): AllReduceRow => {
      const registered = ours.map(({ sizes }) => median(sizes[i]!.registered));
      const slots = ours.map(({ sizes }) => median(sizes[i]!.own));
      const mpi = theirs.map((samples) => median(samples[i]!.microseconds));
      const over = (others: readonly number[]): number => median(others.map((time, turn) => time / registered[turn]!));
      return {
        bytes,
        registeredMicroseconds: median(registered),
        slotsMicroseconds: median(slots),
        overSlots: over(slots),
        ...(mpi.length > 0 ? { mpiMicroseconds: median(mpi), overMpi: over(mpi) } : {}),
      };
    });
    const barrierMicroseconds = median(ours.flatMap(({ barrier }) => barrier));
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
    head: ['f32 vector', 'registered (us)', 'GB/s', 'slots (us)', 'ratio', 'Open MPI (us)', 'ratio'],
    rows: rows.map(({ bytes, registeredMicroseconds, slotsMicroseconds, overSlots, mpiMicroseconds, overMpi }) => [
      sizeText(bytes),
      registeredMicroseconds.toFixed(2),
      (bytes / registeredMicroseconds / 1000).toFixed(2),
      slotsMicroseconds.toFixed(2),
      overSlots.toFixed(2),
      mpiMicroseconds?.toFixed(2) ?? '-',
      overMpi?.toFixed(2) ?? '-',
    ]),
    align: [undefined, 'right', 'right', 'right', 'right', 'right', 'right'],
  });
  return `${table}\nbarrier of two ranks: ${barrierMicroseconds.toFixed(2)} us${notice ? `\n${notice}` : ''}`;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
  const result = await benchAllReduce(Number(values.rounds));
  console.log(`${allReduceTable(result)}\n`);
  const overMpi = new Map(result.rows.map((row) => [sizeText(row.bytes), row.overMpi]));
  printVerdicts(judge(marks.allReduce, (bytes) => overMpi.get(bytes)));
}
