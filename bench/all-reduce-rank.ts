// A rank of the all-reduce benchmark: times calls of every size it is told, on vectors of its own and on registered ones, and a barrier.
import type { Group } from '../src/mesh/mesh.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';

export interface AllReduceJob {
  readonly group: Group;
  /** `rewrites`: a rank writes its vector anew before every call, as a step does; that takes no part in the time. */
  readonly sizes: readonly { readonly bytes: number; readonly calls: number; readonly rewrites: boolean }[];
  readonly samples: number;
}

const warmUp = 5;

interface Measured {
  readonly calls: number;
  readonly call: () => void;
  readonly rewrite?: () => void;
}

/** Microseconds a call, one number a sample; all ranks start every sample, or every call after a rewrite, together. */
function measure(transport: Transport, { group, samples }: AllReduceJob, { calls, call, rewrite }: Measured): number[] {
  const times: number[] = [];
  const [rounds, callsARound] = rewrite ? [calls, 1] : [1, calls];
  for (let sample = -warmUp; sample < samples; sample++) {
    let milliseconds = 0;
    for (let round = 0; round < rounds; round++) {
      rewrite?.();
      transport.barrier(group, 'before a sample');
      const start = performance.now();
      for (let i = 0; i < callsARound; i++) call();
      milliseconds += performance.now() - start;
    }
    if (sample >= 0) times.push((milliseconds * 1000) / calls);
  }
  return times;
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
