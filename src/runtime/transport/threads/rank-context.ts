// One rank's own things in the shared memory: its status, flight recorder and sites; and the errors of waiting.
import { fail } from '../../../errors.ts';
import { FlightRecorder } from '../../flight-recorder.ts';
import type { ReduceOp, Vector } from '../transport.ts';
import { type ReduceKernel, reduceKernel, type TransportKernels, transportKernels } from './kernels.ts';
import { recordsAt, statusAt } from './memory-map.ts';
import type { PeerMemory } from './peer-memory.ts';
import { RegisteredMemory } from './registered.ts';
import { SharedBytes } from './shared-bytes.ts';
import type { SharedMemory } from './shared-memory.ts';
import { type SiteRef, SiteWriter } from './sites.ts';
import { rankState, statusWord } from './status.ts';
import { Waiter } from './waiter.ts';
import { abortKind, activityOf, lastSite, type ThreadsShared } from './world-state.ts';

/** What stands between a rank's ends and shared memory: nothing, unless a test wants to know or delay its accesses. */
export interface Instruments {
  /** Stands before the memory of the world (`world`) or of channel i (`channel <i>`). */
  readonly memory?: (memory: SharedMemory, name: string) => SharedMemory;
  /** Stands before the kernels, which work on the memory of the world. */
  readonly kernels?: (kernels: TransportKernels) => TransportKernels;
  /** Stands before the registered memory of all ranks; `placeOf` says where this rank's vectors lie in it. */
  readonly peers?: (peers: PeerMemory, placeOf: RegisteredMemory['placeOf']) => PeerMemory;
}

export class RankContext {
  readonly shared: ThreadsShared;
  readonly rank: number;
  /** The memory of the world. */
  readonly bytes: SharedMemory;
  /** Its words, for what watchers read: a rank's status, written by it alone. */
  readonly words: Int32Array;
  readonly kernels: TransportKernels;
  readonly registered: RegisteredMemory;
  /** The same memory as collectives read it. */
  readonly peers: PeerMemory;
  readonly waiter: Waiter;
  readonly sites: SiteWriter;
  readonly #instruments: Instruments;
  readonly #recorder: FlightRecorder;
  readonly #status: number;
  readonly #abort: number;

  constructor(shared: ThreadsShared, rank: number, instruments: Instruments = {}) {
    this.#instruments = instruments;
    this.shared = shared;
    this.rank = rank;
    const { buffer } = shared.memory;
    this.words = new Int32Array(buffer);
    const { size, timeoutSeconds } = shared.plan;
    this.waiter = new Waiter(this.words, { rank, crowded: size > shared.cores, timeoutSeconds });
    this.bytes = this.memoryOf(buffer, 'world');
    const kernels = transportKernels(shared.kernels, shared.memory);
    this.kernels = instruments.kernels?.(kernels) ?? kernels;
    this.registered = new RegisteredMemory(shared, rank);
    const placeOf = this.registered.placeOf.bind(this.registered);
    this.peers = instruments.peers?.(this.registered, placeOf) ?? this.registered;
    this.sites = new SiteWriter(buffer, rank);
    this.#recorder = new FlightRecorder(buffer, recordsAt(rank));
    this.#recorder.start();
    this.#status = statusAt(rank) / 4;
    this.#abort = shared.map.abort / 4;
    this.#beat(rankState.computing);
  }

  /** A buffer as this rank's ends use it. */
  memoryOf(buffer: SharedArrayBuffer, name: string): SharedMemory {
    const memory = new SharedBytes(buffer, this.waiter, this.shared.map.limits.loopElements);
    return this.#instruments.memory?.(memory, name) ?? memory;
  }

  heartbeat(site: string): void {
    this.words[this.#status + statusWord.site] = this.sites.ref(site).id;
    this.#beat(rankState.computing);
    this.checkAbort();
  }

  /** Publishes and records the start of a call; `group` or `peer` is -1. Returns the site's number and hash. */
  begin(op: number, group: number, peer: number, count: number, type: number, site: string): SiteRef {
    this.checkAbort();
    const ref = this.sites.ref(site);
    const { words } = this;
    const at = this.#status;
    words[at + statusWord.site] = ref.id;
    words[at + statusWord.op] = op;
    words[at + statusWord.group] = group;
    words[at + statusWord.peer] = peer;
    this.#recorder.begin(op, group, peer, count, type, ref.id);
    this.#beat(rankState.calling);
    return ref;
  }

  /** The end of the call that began last. */
  end(): void {
    this.#recorder.end();
    this.#beat(rankState.computing);
  }

  /** Published, unlike the rest of the status: who waits for a rank decides by it that nothing more will come. */
  finish(): void {
    this.#beat(rankState.computing);
    Atomics.store(this.words, this.#status + statusWord.state, rankState.finished);
  }

  hasFinished(rank: number): boolean {
    return Atomics.load(this.words, statusAt(rank) / 4 + statusWord.state) === rankState.finished;
  }

  /** Throws if the world has been told to end. */
  checkAbort(): void {
    const word = this.words[this.#abort]!;
    if (word === 0) return;
    const rank = (word >> 2) - 1;
    if ((word & 3) === abortKind.stopped) fail('RUN_ABORTED', { problem: 'stopped from outside' });
    fail('RANK_FAILED', {
      rank,
      site: lastSite(this.shared, rank),
      problem: `rank ${this.rank} stopped because of it`,
    });
  }

  /** What a time-out says of the ranks that did not come. */
  activity(ranks: readonly number[]): string {
    return ranks.map((rank) => activityOf(this.shared, rank)).join('; ');
  }

  kernel(data: Vector, op: ReduceOp): ReduceKernel {
    return reduceKernel(this.kernels, data, op);
  }

  // Only this rank writes its status: plain stores, seen by watchers soon enough.
  #beat(state: number): void {
    const at = this.#status;
    this.words[at + statusWord.state] = state;
    this.words[at + statusWord.heartbeat] = (this.words[at + statusWord.heartbeat]! + 1) | 0;
  }
}
