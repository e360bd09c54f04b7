// What the ranks of a world share: made by the main thread, handed to every worker, and read by whoever watches them.
import { availableParallelism } from 'node:os';
import { fail, option } from '../../../errors.ts';
import { type FlightRecord, type RecordedCall, readRecords } from '../../flight-recorder.ts';
import { loadKernel, type SharedWasmMemory, sharedMemory, type WasmModule } from '../../kernels/wasm.ts';
import type { TransportPlan } from '../transport.ts';
import { opNames, typeName } from './calls.ts';
import { channelBytes } from './channel-map.ts';
import { createHeap } from './heaps.ts';
import { withHostGroups } from './host-groups.ts';
import { lineBytes, type MemoryMap, mapMemory, recordsAt, statusAt } from './memory-map.ts';
import { siteName } from './sites.ts';
import { rankState, statusWord, statusWords } from './status.ts';

/** Structured-cloneable; the memory and the channels stay shared. */
export interface ThreadsShared {
  /** With the groups that its hosts bring. */
  readonly plan: TransportPlan;
  readonly memory: SharedWasmMemory;
  readonly kernels: WasmModule;
  readonly map: MemoryMap;
  /** The heaps of every rank: what it registers and all reach. */
  readonly heaps: readonly (readonly SharedWasmMemory[])[];
  /** One for each of plan.channels. */
  readonly channels: readonly SharedArrayBuffer[];
  /** Processors this process may use. */
  readonly cores: number;
}

let compiled: WasmModule | undefined;

/** A channel counts its bytes in 32 bits, and tells full from empty by their difference. */
const mostChannelBytes = 2 ** 31 - 1;
/** Addresses of a Wasm memory have 32 bits. */
const mostSharedBytes = 2 ** 32;

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** OPTION_INVALID for what does not fit into the memory that ranks share. */
function checkSizes({ size, channels }: TransportPlan, map: MemoryMap): void {
  for (const { from, to, capacityBytes } of channels)
    if (capacityBytes > mostChannelBytes)
      fail('OPTION_INVALID', {
        option: option('microBatch'),
        problem: `rank ${from} would have ${gibibytes(capacityBytes)} under way to rank ${to}, where less than 2 GiB is possible`,
        fix: `use a schedule that keeps fewer messages under way, such as 1f1b, a smaller ${option('microBatch')} or ${option('seqLen')}, or more tp with sp`,
      });
  if (map.bytes > mostSharedBytes)
    fail('OPTION_INVALID', {
      option: option('layout'),
      problem: `${size} ranks would share ${gibibytes(map.bytes)}, where 4 GiB is possible`,
      fix: 'use a layout of fewer ranks',
    });
}

/** `takeHeaps`: some for each of so many ranks, empty. Throws OPTION_INVALID for a plan that is too large. */
export function createThreadsWorld(
  given: TransportPlan,
  takeHeaps = (ranks: number): ThreadsShared['heaps'] => Array.from({ length: ranks }, () => [createHeap()]),
): ThreadsShared {
  const plan = withHostGroups(given);
  const map = mapMemory(plan);
  checkSizes(plan, map);
  const memory = sharedMemory(map.bytes);
  const words = new Int32Array(memory.buffer);
  // Phases start at 2: before it, the line of a parity shows the phase two before its first.
  plan.groups.forEach(({ ranks }, g) => {
    for (let m = 0; m < ranks.length && ranks.length > 1; m++)
      words[(map.groups[g]!.lines + (2 * m + 1) * lineBytes) / 4] = 1;
  });
  compiled ??= loadKernel('transport');
  const channels = plan.channels.map(
    ({ capacityBytes, messages }) => new SharedArrayBuffer(channelBytes(capacityBytes, messages)),
  );
  return { plan, memory, kernels: compiled, map, heaps: takeHeaps(plan.size), channels, cores: availableParallelism() };
}

const statusOf = (shared: ThreadsShared, rank: number): Int32Array =>
  new Int32Array(shared.memory.buffer, statusAt(rank), statusWords);

/** A number that changes whenever the rank does something, and whether it is inside a call (which has its own time-out). */
export function progressOf(shared: ThreadsShared, rank: number): { heartbeat: number; state: number } {
  const status = statusOf(shared, rank);
  return {
    heartbeat: Atomics.load(status, statusWord.heartbeat),
    state: Atomics.load(status, statusWord.state),
  };
}

/** The site that a rank named last; undefined before the first. */
export function lastSite(shared: ThreadsShared, rank: number): string | undefined {
  const status = statusOf(shared, rank);
  if (status[statusWord.heartbeat]! <= 1) return undefined;
  return siteName(shared.memory.buffer, rank, status[statusWord.site]!);
}

/** What a rank is doing, in words: `rank 1 is in recv from rank 0 at "stage 1"`. */
export function activityOf(shared: ThreadsShared, rank: number): string {
  const status = statusOf(shared, rank);
  const site = lastSite(shared, rank);
  const at = site === undefined ? '' : ` at "${site}"`;
  switch (Atomics.load(status, statusWord.state)) {
    case rankState.starting:
      return `rank ${rank} has not started`;
    case rankState.finished:
      return `rank ${rank} has finished`;
    case rankState.calling: {
      const group = shared.plan.groups[status[statusWord.group]!];
      const where = group
        ? `on ${group.axis} with ranks ${group.ranks.join(', ')}`
        : `with rank ${status[statusWord.peer]}`;
      return `rank ${rank} is in ${opNames[status[statusWord.op]!]} ${where}${at}`;
    }
    default:
      return `rank ${rank} computes${at || ', no site named yet'}`;
  }
}

/** The last calls of a rank, alive or not. */
export function recordsOf(shared: ThreadsShared, rank: number): FlightRecord[] {
  const { buffer } = shared.memory;
  return readRecords(buffer, recordsAt(rank), (call: RecordedCall) => ({
    op: opNames[call.op] ?? '?',
    axis: shared.plan.groups[call.group]?.axis ?? 'pp',
    type: typeName(call.type),
    site: siteName(buffer, rank, call.site),
  }));
}

/** Why a world ends early. The abort word is 0 or kind + 4 (rank + 1). */
export const abortKind = { rankFailed: 1, stopped: 2 } as const;

/** Ends every wait of the world: waiting ranks throw within a slice. The first caller's reason stays. */
export function abortWorld(shared: ThreadsShared, kind: number, rank = -1): void {
  const words = new Int32Array(shared.memory.buffer, shared.map.abort, 1);
  Atomics.compareExchange(words, 0, 0, kind | ((rank + 1) << 2));
}

export function isAborted(shared: ThreadsShared): boolean {
  return Atomics.load(new Int32Array(shared.memory.buffer, shared.map.abort, 1), 0) !== 0;
}
