// Runs a world: one rank a worker thread, until all have returned or one has failed; never for ever.
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { type AbortSignalLike, abortedError, throwIfAborted } from '../abort-signal.ts';
import { type ErrorCode, FivefoldError } from '../errors.ts';
import { trimHeap } from './c-heap.ts';
import { writeFlightRecords } from './flight-recorder.ts';
import { createHoldings } from './onnx/holdings.ts';
import { releaseLeftOver } from './onnx/left-over.ts';
import { countedBetweenLooks } from './transport/threads/progress.ts';
import { rankState } from './transport/threads/status.ts';
import {
  abortKind,
  abortWorld,
  activityOf,
  createThreadsWorld,
  lastSite,
  progressOf,
  recordsOf,
} from './transport/threads/world-state.ts';
import type { TransportPlan } from './transport/transport.ts';
import type { Failure, FromWorker, ToWorker } from './world-messages.ts';
import { createPool, type WorldPool } from './world-pool.ts';

export interface WorldOptions {
  readonly plan: TransportPlan;
  /** A module that exports `rank`, a {@link import('./world-messages.ts').RankFunction}. */
  readonly rankModule: URL;
  /** One a rank, structured-cloneable. */
  readonly jobs: readonly unknown[];
  readonly onReport?: (rank: number, message: unknown) => void;
  /** Where workers come from and go back to; without one they live for this world. */
  readonly pool?: WorldPool;
  /** Where a failed world leaves every rank's flight recorder, `rank-<n>.json`. */
  readonly recorderDir?: string;
  readonly signal?: AbortSignalLike;
}

/** How long the other ranks may take to notice a failure before their threads are ended. */
const graceMilliseconds = 1000;
/**
 * How long ranks that import their module may take to end that: a thread that is ended in the middle of it leaves the files open that
 * it was reading.
 */
const importGraceMilliseconds = 10_000;
/** How long a thread may take to end: a system call that does not return keeps it for ever. */
const endMilliseconds = 3000;
/** How long a rank may take to import its module. */
const startSeconds = 60;

/**
 * What every rank returned. Throws RANK_FAILED (a rank threw, exited, ran out of memory or made no progress for
 * plan.timeoutSeconds), COLLECTIVE_TIMEOUT, COLLECTIVE_MISMATCH, RUN_ABORTED (the signal), or a rank's own error of exit status 2.
 */
export async function runWorld(options: WorldOptions): Promise<unknown[]> {
  const { plan, jobs, signal } = options;
  if (jobs.length !== plan.size) throw new Error(`a world of ${plan.size} ranks got ${jobs.length} jobs`);
  throwIfAborted(signal);
  const pool = options.pool ?? createPool();
  try {
    return await new World(options, pool).outcome;
  } finally {
    if (!options.pool) await pool.close();
  }
}

interface Rank {
  readonly worker: Worker;
  /** The list of the native objects that the rank holds. */
  readonly holdings: SharedArrayBuffer;
  state: 'preparing' | 'ready' | 'running' | 'ended';
  heartbeat: number;
  /** When the watcher last saw progress, in ms. */
  movedAt: number;
}

class World {
  readonly outcome: Promise<unknown[]>;
  readonly #options: WorldOptions;
  readonly #pool: WorldPool;
  readonly #shared;
  readonly #ranks: readonly Rank[];
  readonly #values: unknown[];
  readonly #cleanups: (() => void)[] = [];
  #failure: Error | undefined;
  /** A failure that another rank caused: shown only if the cause never shows. */
  #secondary: Error | undefined;
  #activities: string[] = [];
  #over = false;
  #watchedAt = performance.now();
  #resolve!: (values: unknown[]) => void;
  #reject!: (error: unknown) => void;

  constructor(options: WorldOptions, pool: WorldPool) {
    this.#options = options;
    this.#pool = pool;
    this.#shared = createThreadsWorld(options.plan, pool.takeHeaps);
    this.#values = new Array(options.plan.size);
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const now = performance.now();
    this.#ranks = pool
      .take(options.plan.size)
      .map((worker) => ({ worker, holdings: createHoldings(), state: 'preparing', heartbeat: 0, movedAt: now }));
    this.#ranks.forEach((rank, index) => {
      this.#listen(rank, index);
      tell(rank.worker, { kind: 'prepare', module: options.rankModule.href });
    });
    const period = Math.min(250, (options.plan.timeoutSeconds * 1000) / 8);
    const watch = setInterval(() => this.#watch(), period);
    this.#cleanups.push(() => clearInterval(watch));
    const { signal } = options;
    if (signal) {
      const stop = (): void => this.#fail(abortedError(signal), abortKind.stopped);
      signal.addEventListener('abort', stop);
      this.#cleanups.push(() => signal.removeEventListener('abort', stop));
    }
  }

  #listen(rank: Rank, index: number): void {
    const onMessage = (message: FromWorker): void => this.#hear(rank, index, message);
    const onError = (error: Error): void => {
      this.#fail(this.#rankFailed(index, error.message, error), abortKind.rankFailed, index);
      this.#end(rank);
    };
    const onExit = (code: number): void => {
      if (rank.state !== 'ended')
        this.#fail(this.#rankFailed(index, `its thread exited with status ${code}`), abortKind.rankFailed, index);
      this.#end(rank);
    };
    rank.worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    this.#cleanups.push(() => {
      rank.worker.off('message', onMessage).off('error', onError).off('exit', onExit);
    });
  }

  #hear(rank: Rank, index: number, message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        rank.state = 'ready';
        if (this.#failure) this.#end(rank);
        else if (this.#ranks.every(({ state }) => state === 'ready')) this.#go();
        break;
      case 'report':
        if (!this.#failure) this.#report(index, message.message);
        break;
      case 'done':
        this.#values[index] = message.value;
        this.#end(rank);
        break;
      case 'failed':
        this.#failed(index, message.failure);
        this.#end(rank);
        break;
    }
  }

  /** Only when every rank has its module do their clocks start. */
  #go(): void {
    this.#ranks.forEach((rank, index) => {
      rank.state = 'running';
      rank.movedAt = performance.now();
      try {
        const job = this.#options.jobs[index];
        tell(rank.worker, { kind: 'go', shared: this.#shared, rank: index, job, holdings: rank.holdings });
      } catch (error) {
        this.#fail(error instanceof Error ? error : new Error(String(error)), abortKind.stopped);
      }
    });
  }

  #report(index: number, message: unknown): void {
    try {
      this.#options.onReport?.(index, message);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)), abortKind.stopped);
    }
  }

  #failed(index: number, failure: Failure): void {
    const error = this.#errorOf(index, failure);
    if (failure.secondary) this.#secondary ??= error;
    else {
      const hung = this.#suspect(error);
      if (hung >= 0) this.#failHung(hung);
      else this.#fail(error, abortKind.rankFailed, index);
    }
  }

  /** A rank that waited in vain is not the cause if the one it waited for has stopped moving. */
  #suspect(error: Error): number {
    if (!(error instanceof FivefoldError) || error.code !== 'COLLECTIVE_TIMEOUT') return -1;
    return this.#ranks.findIndex((_, index) => this.#stillFor(index) > this.#options.plan.timeoutSeconds / 2);
  }

  #failHung(index: number): void {
    const problem = `no call and no heartbeat for ${this.#options.plan.timeoutSeconds} s`;
    this.#fail(this.#rankFailed(index, problem), abortKind.rankFailed, index);
    // It will not listen.
    void this.#ranks[index]!.worker.terminate();
  }

  #rankFailed(index: number, problem: string, cause?: unknown): FivefoldError {
    const error = new FivefoldError('RANK_FAILED', {
      rank: index,
      site: lastSite(this.#shared, index),
      problem: problem.trim().replace(/\s*\n\s*/g, ' '),
      ...this.#recorder(),
    });
    error.cause = cause;
    return error;
  }

  #recorder(): { recorder?: string } {
    const { recorderDir } = this.#options;
    return recorderDir === undefined ? {} : { recorder: recorderDir };
  }

  #errorOf(index: number, failure: Failure): Error {
    const { known } = failure;
    if (known?.exit === 2) return new FivefoldError(known.code, known.values);
    const speaksForItself: readonly ErrorCode[] = [
      'COLLECTIVE_TIMEOUT',
      'COLLECTIVE_MISMATCH',
      'RUN_ABORTED',
      'SAVE_FAILED',
      'TRAINING_DIVERGED',
    ];
    if (known && (speaksForItself.includes(known.code) || (failure.secondary && known.code === 'RANK_FAILED')))
      return new FivefoldError(known.code, { ...known.values, ...this.#recorder() });
    return this.#rankFailed(index, failure.message, failure.stack);
  }

  /** Seconds since a running rank last did anything; a rank inside a call has the call's own time-out. */
  #stillFor(index: number): number {
    const rank = this.#ranks[index]!;
    const now = performance.now();
    const { heartbeat, state } = progressOf(this.#shared, index);
    if (rank.state !== 'running' || state !== rankState.computing || heartbeat !== rank.heartbeat) {
      rank.heartbeat = heartbeat;
      rank.movedAt = now;
    }
    return (now - rank.movedAt) / 1000;
  }

  #watch(): void {
    // What a stop of the whole process took from the ranks too is not held against them.
    const now = performance.now();
    const passed = now - this.#watchedAt;
    this.#watchedAt = now;
    for (const rank of this.#ranks) rank.movedAt += passed - countedBetweenLooks(passed);
    if (this.#failure) return;
    this.#ranks.forEach((rank, index) => {
      if (rank.state === 'preparing') {
        if (performance.now() - rank.movedAt > startSeconds * 1000)
          this.#fail(this.#rankFailed(index, `its module did not load in ${startSeconds} s`), abortKind.stopped);
      } else if (this.#stillFor(index) > this.#options.plan.timeoutSeconds) this.#failHung(index);
    });
  }

  /** The first failure decides; everybody is told, and ended if telling does not help. */
  #fail(error: Error, kind: number, index = -1): void {
    if (this.#failure || this.#over) return;
    this.#failure = error;
    this.#activities = this.#ranks.map((_, r) => activityOf(this.#shared, r));
    abortWorld(this.#shared, kind, index);
    const preparing = this.#ranks.some(({ state }) => state === 'preparing');
    const endAll = (): void => {
      for (const rank of this.#ranks) this.#end(rank);
    };
    const timer = setTimeout(endAll, preparing ? importGraceMilliseconds : graceMilliseconds);
    this.#cleanups.push(() => clearTimeout(timer));
    for (const rank of this.#ranks) if (rank.state === 'ready') this.#end(rank);
  }

  /** Nothing more is expected of the rank. */
  #end(rank: Rank): void {
    if (rank.state === 'ended') return;
    rank.state = 'ended';
    if (this.#ranks.every(({ state }) => state === 'ended')) void this.#finish();
  }

  async #finish(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    for (const cleanup of this.#cleanups) cleanup();
    const error = this.#failure ?? this.#secondary;
    if (!error) {
      this.#pool.give(this.#ranks.map(({ worker }) => worker));
      this.#pool.giveHeaps(this.#shared.heaps);
      this.#resolve(this.#values);
      return;
    }
    const ended = await Promise.all(this.#ranks.map(endThread));
    // A thread that cannot be ended may still use anybody's.
    if (ended.every(Boolean)) this.#pool.giveHeaps(this.#shared.heaps);
    trimHeap();
    this.#record(error);
    this.#reject(error);
  }

  #record(error: Error): void {
    const { recorderDir } = this.#options;
    if (recorderDir === undefined || !isBetweenRanks(error)) return;
    try {
      this.#ranks.forEach((_, rank) => {
        const status = this.#activities[rank] ?? activityOf(this.#shared, rank);
        writeFlightRecords(recorderDir, rank, status, recordsOf(this.#shared, rank));
      });
    } catch (problem) {
      // What cannot be recorded, on a full disk for one, must not hide what happened.
      if (!(problem instanceof Error && 'syscall' in problem)) throw problem;
    }
  }
}

const errorsBetweenRanks: readonly ErrorCode[] = [
  'RANK_FAILED',
  'COLLECTIVE_TIMEOUT',
  'COLLECTIVE_MISMATCH',
  'RUN_ABORTED',
];

/** Whether what the ranks did last may explain an error. */
const isBetweenRanks = (error: Error): boolean =>
  !(error instanceof FivefoldError) || errorsBetweenRanks.includes(error.code);

/** Ends a rank's thread and releases what it held natively; false if it cannot be ended: then it may still be using it. */
async function endThread({ worker, holdings }: Rank): Promise<boolean> {
  const terminated = worker.terminate().then(() => true);
  const givenUp = setTimeoutPromise(endMilliseconds, false, { ref: false });
  const ended = await Promise.race([terminated, givenUp]);
  if (ended) await releaseLeftOver(holdings);
  return ended;
}

function tell(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}
