// The rank module that times calls between ranks, by bytes.
import { type Group, worldGroup } from '../../mesh/mesh.ts';
import type { CollectiveOp } from '../../mesh/traffic.ts';
import { lowerQuartile } from '../../plan/cost/measured/fit-measured.ts';
import type { MeasuredTalk } from '../../plan/hardware/measured-machine.ts';
import type { Transport } from '../../runtime/transport/transport.ts';

export interface TimedTalkJob {
  /** Of the vectors, as `trafficBytes` takes them. */
  readonly lengths: readonly number[];
  readonly calls: number;
}

const site = 'timed calls';

/** Lower quartiles of seconds, from when all are ready until this rank is done. */
export async function rank(transport: Transport, job: unknown): Promise<MeasuredTalk['seconds']> {
  const { lengths, calls } = job as TimedTalkJob;
  const { size } = transport;
  const group = worldGroup(size);
  const longest = Math.max(...lengths) / 4;
  const vectorOf = (numbers: number): Float32Array => {
    const { buffer, byteOffset } = transport.allocate(4 * numbers);
    return new Float32Array(buffer as ArrayBuffer, byteOffset, numbers);
  };
  const [from, to] = [vectorOf(longest), vectorOf(longest * size)];
  const time = (call: (numbers: number) => void): [number, number][] =>
    lengths.map((bytes) => {
      const numbers = bytes / 4;
      const times = Array.from({ length: calls }, () => {
        transport.heartbeat(site);
        // As in a step: what is sent was just made, and lies where it was made.
        from.fill(1, 0, numbers);
        to.fill(1, 0, numbers);
        transport.barrier(group, site);
        const start = performance.now();
        call(numbers);
        return (performance.now() - start) / 1000;
      });
      // Who waits may be woken late: what else the machine does is no part of a call.
      return [bytes, lowerQuartile(times)];
    });
  return Object.fromEntries(
    Object.entries(callsOf(transport, group, from, to)).map(([name, call]) => [name, time(call)]),
  ) as unknown as MeasuredTalk['seconds'];
}

/** Calls on vectors of so many numbers. */
function callsOf(
  transport: Transport,
  group: Group,
  from: Float32Array,
  to: Float32Array,
): Readonly<Record<CollectiveOp, (numbers: number) => void>> {
  const { rank, size } = transport;
  const cut = (inner: number) => ({ outer: 1, inner });
  const even = (rows: number) => new Int32Array(size).fill(rows);
  const next = { to: (rank + 1) % size, from: (rank + size - 1) % size };
  return {
    allReduce: (numbers) => transport.allReduce(group, from.subarray(0, numbers), 'sum', site),
    allGather: (numbers) =>
      transport.allGather(group, from.subarray(0, numbers), to.subarray(0, size * numbers), cut(numbers), site),
    reduceScatter(numbers) {
      const part = numbers / size;
      transport.reduceScatter(group, from.subarray(0, size * part), to.subarray(0, part), cut(part), site);
    },
    allToAll: (numbers) => transport.allToAll(group, from.subarray(0, numbers), to.subarray(0, numbers), site),
    allToAllV(numbers) {
      const counts = even(numbers / size);
      const [input, output] = [from.subarray(0, numbers), to.subarray(0, numbers)];
      transport.allToAllV(group, { input, sent: counts, output, received: counts, width: 1 }, site);
    },
    ringShift: (numbers) => transport.ringShift(group, from.subarray(0, numbers), to.subarray(0, numbers), 1, site),
    broadcast: (numbers) => transport.broadcast(group, from.subarray(0, numbers), 0, site),
    // Even ranks to the next, then odd ones: a message is done when it was received.
    send(numbers) {
      const message = from.subarray(0, numbers);
      if (rank % 2 === 0 && rank + 1 < size) transport.send(next.to, message, 0, site);
      if (rank % 2 === 1) transport.recv(next.from, to.subarray(0, numbers), 0, site);
    },
  };
}
