// Runs a world: one rank a worker thread, until all have returned or one has failed; never for ever.
import type { Worker } from 'node:worker_threads';
import { type AbortSignalLike, abortedError, throwIfAborted } from '../abort-signal.ts';
import { FivefoldError } from '../errors.ts';
import { trimHeap } from './c-heap.ts';
import { endThread } from './end-thread.ts';
import { leaveRecords } from './failed-world.ts';
import { createHoldings } from './onnx/holdings.ts';
import { createRankClocks, type RankClocks } from './rank-clocks.ts';
import { abortKind, abortWorld, activityOf, createThreadsWorld } from './transport/threads/world-state.ts';
import type { TransportPlan } from './transport/transport.ts';
import { errorOf, type Origin, rankFailed } from './world-errors.ts';
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
}

class World {
  readonly outcome: Promise<unknown[]>;
  readonly #options: WorldOptions;
  readonly #pool: WorldPool;
  readonly #shared;
  readonly #clocks: RankClocks;
  /** What its errors are made with. */
  readonly #origin: Origin;
  readonly #ranks: readonly Rank[];
  readonly #values: unknown[];
  readonly #cleanups: (() => void)[] = [];
  #failure: Error | undefined;
  /** A failure that another rank caused: shown only if the cause never shows. */
  #secondary: Error | undefined;
  /** What the ranks were doing when one failed. */
  #activities: readonly string[] | undefined;
  #over = false;
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
    this.#clocks = createRankClocks(this.#shared, options.plan.size);
    this.#origin = { shared: this.#shared, recorderDir: options.recorderDir };
    this.#ranks = pool
      .take(options.plan.size)
      .map((worker) => ({ worker, holdings: createHoldings(), state: 'preparing' }));
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
      this.#clocks.start(index);
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
    const error = errorOf(this.#origin, index, failure);
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
    return rankFailed(this.#origin, index, problem, cause);
  }

  /** Only a rank that runs can stand still. */
  #stillFor(index: number): number {
    if (this.#ranks[index]!.state !== 'running') this.#clocks.start(index);
    return this.#clocks.stillFor(index);
  }

  #watch(): void {
    this.#clocks.look();
    if (this.#failure) return;
    this.#ranks.forEach((rank, index) => {
      if (rank.state === 'preparing') {
        if (this.#clocks.sinceStart(index) > startSeconds)
          this.#fail(this.#rankFailed(index, `its module did not load in ${startSeconds} s`), abortKind.stopped);
      } else if (this.#stillFor(index) > this.#options.plan.timeoutSeconds) this.#failHung(index);
    });
  }

  #nowDone(): string[] {
    return this.#ranks.map((_, rank) => activityOf(this.#shared, rank));
  }

  /** The first failure decides; everybody is told, and ended if telling does not help. */
  #fail(error: Error, kind: number, index = -1): void {
    if (this.#failure || this.#over) return;
    this.#failure = error;
    this.#activities = this.#nowDone();
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
    const ended = await Promise.all(this.#ranks.map(({ worker, holdings }) => endThread(worker, holdings)));
    // A thread that cannot be ended may still use anybody's.
    if (ended.every(Boolean)) this.#pool.giveHeaps(this.#shared.heaps);
    trimHeap();
    const { recorderDir } = this.#options;
    if (recorderDir !== undefined) leaveRecords(recorderDir, this.#shared, this.#activities ?? this.#nowDone(), error);
    this.#reject(error);
  }
}

function tell(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}
