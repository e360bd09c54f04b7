// A rank of the tests of the library: runs a random program several times, talks, or breaks.
import { coordsOf, groupOf, type Mesh, worldGroup } from '../src/mesh/mesh.ts';
import type { TrafficCounters } from '../src/mesh/traffic.ts';
import type { Numbers } from '../src/program/program.ts';
import { startTrace } from '../src/program/trace.ts';
import { compileProgram } from '../src/runtime/compile-program.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';
import { type RandomProgram, writeRandom } from './random-programs.ts';

type Named = Readonly<Record<string, ArrayLike<number>>>;

export type CompileJob =
  | { readonly random: RandomProgram; readonly runs: readonly Named[] }
  | { readonly mesh: Mesh; readonly exchange: number }
  | { readonly broken: string };

export interface CompiledRun {
  readonly outputs: readonly Readonly<Record<string, Numbers>>[];
  /** As the last run left them. */
  readonly inputs: Readonly<Record<string, Numbers>>;
  readonly counters: TrafficCounters;
  readonly flops: number;
}

export async function rank(transport: Transport, job: CompileJob, report: (message: string) => void) {
  if ('broken' in job) throw new Error(job.broken);
  if ('random' in job) return compiled(transport, job.random, job.runs);
  report(`rank ${transport.rank} is here`);
  return exchanged(transport, job.mesh, job.exchange);
}

const copied = (named: Readonly<Record<string, Numbers>>): Record<string, Numbers> =>
  Object.fromEntries(Object.entries(named).map(([name, numbers]) => [name, numbers.slice()]));

function compiled(transport: Transport, random: RandomProgram, runs: readonly Named[]): CompiledRun {
  const program = writeRandom(random, startTrace(random.mesh, coordsOf(random.mesh, transport.rank)));
  const { inputs, outputs, run, flops, dispose } = compileProgram(program, { transport, precision: 'f64' });
  const results = runs.map((given) => {
    for (const [name, numbers] of Object.entries(given)) inputs[name]!.set(numbers);
    run();
    return copied(outputs);
  });
  dispose();
  return { outputs: results, inputs: copied(inputs), counters: transport.counters, flops: flops() };
}

/** What the rank before sent, and sums of the ranks' numbers over groups. */
function exchanged(transport: Transport, mesh: Mesh, length: number): number[] {
  const { rank, size } = transport;
  const data = new Float64Array(length).fill(rank);
  const received = new Float64Array(length);
  const [to, from] = [(rank + 1) % size, (rank + size - 1) % size];
  if (rank % 2 === 0) transport.send(to, data, 0, 'ring');
  transport.recv(from, received, 0, 'ring');
  if (rank % 2 === 1) transport.send(to, data, 0, 'ring');
  if (received.some((value) => value !== from)) throw new Error('a message came broken');
  const groups = [
    groupOf(mesh, rank, 'tp'),
    groupOf(mesh, rank, 'dp'),
    groupOf(mesh, rank, ['tp', 'dp']),
    worldGroup(size),
  ];
  const sums = groups.map((group) => {
    const sum = Float64Array.of(rank);
    transport.allReduce(group, sum, 'sum', 'sum of ranks');
    return sum[0]!;
  });
  return [received[0]!, ...sums];
}
