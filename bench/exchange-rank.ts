// A rank of the exchange benchmark: times all-to-alls of rows with one other rank, on registered vectors and on its own, and copies of
// what the other has written, which is the least that an exchange has to do.
import { Buffer } from 'node:buffer';
import type { Group } from '../src/mesh/mesh.ts';
import type { Transport, Vector } from '../src/runtime/transport/transport.ts';
import { measure } from './timed-calls.ts';

export interface ExchangeJob {
  readonly group: Group;
  /** `bytes`: from each rank to the other. */
  readonly sizes: readonly { readonly bytes: number; readonly calls: number }[];
  readonly samples: number;
  /** The bytes of both ranks that are copied, the most of any size each. */
  readonly shared: SharedArrayBuffer;
}

/** Microseconds a call, one number a sample, for every size. */
export type ExchangeTimes = readonly {
  readonly registered: readonly number[];
  readonly own: readonly number[];
  readonly copy: readonly number[];
}[];

/** Elements of a row. */
const width = 1024;

export async function rank(transport: Transport, job: unknown): Promise<ExchangeTimes> {
  const task = job as ExchangeJob;
  const { group, sizes, shared } = task;
  const half = shared.byteLength / 2;
  return sizes.map(({ bytes, calls }) => {
    const counts = new Int32Array(2);
    counts[1 - transport.rank] = bytes / 4 / width;
    const time = (input: Vector, call: () => void): number[] => {
      const rewrite = (): void => {
        // The other may still copy.
        transport.barrier(group, 'before it is written');
        input.fill(1);
      };
      const measured = { calls, call, rewrite };
      // A first round compiles the path of this size.
      measure(transport, { ...task, samples: 0 }, measured);
      return measure(transport, task, measured);
    };
    const exchange = (input: Vector, output: Vector): number[] =>
      time(input, () =>
        transport.allToAllV(group, { input, sent: counts, output, received: counts, width }, 'benchmark'),
      );
    const registered = (): Float32Array => {
      const { buffer, byteOffset } = transport.allocate(bytes);
      return new Float32Array(buffer, byteOffset, bytes / 4);
    };
    const from = new Uint8Array(shared, (1 - transport.rank) * half, bytes);
    const to = Buffer.alloc(bytes);
    const [input, output] = [new Float32Array(bytes / 4), new Float32Array(bytes / 4)];
    return {
      registered: exchange(registered(), registered()),
      own: exchange(input, output),
      copy: time(new Float32Array(shared, transport.rank * half, bytes / 4), () => void to.fill(from)),
    };
  });
}
