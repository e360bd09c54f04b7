// A rank module for tests of the launcher: ranks that behave, and ranks that fail in every way they can.
import { fail } from '../src/errors.ts';
import type { Group } from '../src/mesh/mesh.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';

export interface FaultJob {
  readonly group: Group;
  /** What this rank does after the first barrier. */
  readonly fault: string;
  readonly value?: number;
}

type Behaviour = (transport: Transport, job: FaultJob, report: (message: unknown) => void) => unknown;

const sum = (transport: Transport, { group, value }: FaultJob): number => {
  const data = new Float64Array([value ?? 1]);
  transport.allReduce(group, data, 'sum', 'final sum');
  return data[0]!;
};

const behaviours: Readonly<Record<string, Behaviour>> = {
  none: sum,
  throws() {
    throw new TypeError('the sky fell');
  },
  refuses() {
    return fail('DATA_EMPTY', { path: 'tokens.bin', fix: 'pass another file' });
  },
  breaks() {
    return fail('SHAPE_MISMATCH', { op: 'linear', site: 'block 1', problem: 'shapes differ' });
  },
  exits() {
    process.exit(3);
  },
  exitsQuietly() {
    process.exit(0);
  },
  crashes() {
    setTimeout(() => {
      throw new Error('thrown outside the rank function');
    }, 0);
    return new Promise(() => {});
  },
  fillsMemory(transport) {
    const kept: number[][] = [];
    for (let i = 0; ; i++) {
      transport.heartbeat('filling memory');
      kept.push(new Array<number>(10_000).fill(i));
    }
  },
  spins(transport) {
    transport.heartbeat('endless loop');
    for (;;);
  },
  neverSettles(transport) {
    transport.heartbeat('endless promise');
    return new Promise(() => {});
  },
  /** Works three times as long as the others would wait for a silent rank. */
  livesOn(transport, job) {
    const end = performance.now() + 1200;
    while (performance.now() < end) transport.heartbeat('living on');
    return sum(transport, job);
  },
  returnsEarly: () => 'early',
  otherCall(transport, { group }) {
    transport.barrier(group, 'a call of its own');
  },
  /** Reports and then blocks its thread until the launcher lets it go through a shared word. */
  reportsAndBlocks(transport, { group }, report) {
    const gate = new Int32Array(new SharedArrayBuffer(4));
    report(gate);
    if (Atomics.wait(gate, 0, 0, 10_000) === 'timed-out') throw new Error('the report did not get through');
    transport.barrier(group, 'after the report');
    return gate[0];
  },
};

export async function rank(transport: Transport, job: unknown, report: (message: unknown) => void): Promise<unknown> {
  const { group, fault } = job as FaultJob;
  transport.heartbeat('set up');
  transport.barrier(group, 'before the fault');
  return behaviours[fault]!(transport, job as FaultJob, report);
}
