// A rank of the all-reduce benchmark: times calls of every size it is told, on vectors of its own and on registered ones, and a barrier.
import type { Group } from '../src/mesh/mesh.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';
import { measure } from './timed-calls.ts';

export interface AllReduceJob {
  readonly group: Group;
  /** `rewrites`: a rank writes its vector anew before every call, as a step does; that takes no part in the time. */
  readonly sizes: readonly { readonly bytes: number; readonly calls: number; readonly rewrites: boolean }[];
  readonly samples: number;
}

export interface AllReduceTimes {
  readonly barrier: readonly number[];
  readonly sizes: readonly {
    readonly bytes: number;
    readonly own: readonly number[];
    readonly registered: readonly number[];
  }[];
}

export async function rank(transport: Transport, job: unknown): Promise<AllReduceTimes> {
  const task = job as AllReduceJob;
  const barrier = measure(transport, task, { calls: 1000, call: () => transport.barrier(task.group, 'barrier') });
  const time = (data: Float32Array, calls: number, rewrites: boolean): number[] => {
    const call = (): void => transport.allReduce(task.group, data, 'sum', 'benchmark');
    const measured = { calls, call, ...(rewrites && { rewrite: () => void data.fill(1) }) };
    // A first round compiles the path of this size.
    measure(transport, { ...task, samples: 0 }, measured);
    return measure(transport, task, measured);
  };
  const sizes = task.sizes.map(({ bytes, calls, rewrites }) => {
    const { buffer, byteOffset } = transport.allocate(bytes);
    const own = time(new Float32Array(bytes / 4), calls, rewrites);
    return { bytes, own, registered: time(new Float32Array(buffer, byteOffset, bytes / 4), calls, rewrites) };
  });
  return { barrier, sizes };
}
