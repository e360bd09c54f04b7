// A rank of the all-reduce benchmark: times calls of every size it is told, and an empty barrier.
import type { Group } from '../src/mesh/mesh.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';

export interface AllReduceJob {
  readonly group: Group;
  readonly sizes: readonly { readonly bytes: number; readonly calls: number }[];
  readonly samples: number;
}

const warmUp = 5;

/** Microseconds a call, one number a sample; all ranks start every sample together. */
function measure(transport: Transport, { group, samples }: AllReduceJob, calls: number, call: () => void): number[] {
  const times: number[] = [];
  for (let sample = -warmUp; sample < samples; sample++) {
    transport.barrier(group, 'before a sample');
    const start = performance.now();
    for (let i = 0; i < calls; i++) call();
    if (sample >= 0) times.push(((performance.now() - start) * 1000) / calls);
  }
  return times;
}

export async function rank(transport: Transport, job: unknown): Promise<unknown> {
  const task = job as AllReduceJob;
  const barrier = measure(transport, task, 1000, () => transport.barrier(task.group, 'barrier'));
  const sizes = task.sizes.map(({ bytes, calls }) => {
    const data = new Float32Array(bytes / 4);
    // A first round compiles the path of this size.
    measure(transport, { ...task, samples: 0 }, calls, () => transport.allReduce(task.group, data, 'sum', 'warm-up'));
    const call = (): void => transport.allReduce(task.group, data, 'sum', 'benchmark');
    return { bytes, microseconds: measure(transport, task, calls, call) };
  });
  return { barrier, sizes };
}
