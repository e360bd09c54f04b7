// How a rank waits for another: a short spin, then sleeps that look at the abort word and at whether anything moves.
import { ProgressWatch, publishAwaited } from './progress.ts';

/** What the waiting call knows: asked only when the wait is long. */
export interface Blocked {
  /** The rank (world number) without which it cannot go on. */
  readonly awaited: number;
  /** Throws if what is waited for can never come. */
  check(): void;
  /** Throws the time-out's error. */
  timedOut(seconds: number): never;
}

const sliceMilliseconds = 50;

export class Waiter {
  readonly words: Int32Array;
  readonly #rank: number;
  readonly #spins: number;
  readonly #timeoutSeconds: number;

  /**
   * `words`: the world's. `crowded`: ranks outnumber cores, so whoever spins keeps the awaited rank from running. `timeoutSeconds`: how
   * long nothing may move of what is waited for; while it does, a wait may last as long as it takes.
   */
  constructor(
    words: Int32Array,
    options: { readonly rank: number; readonly crowded: boolean; readonly timeoutSeconds: number },
  ) {
    this.words = words;
    this.#rank = options.rank;
    this.#spins = options.crowded ? 50 : 40_000;
    this.#timeoutSeconds = options.timeoutSeconds;
  }

  /** Returns when words[index] is no longer `value`; the word after it counts the sleepers. */
  whileEqual(index: number, value: number, blocked: Blocked, words = this.words): void {
    for (let spin = this.#spins; spin > 0; spin--) if (Atomics.load(words, index) !== value) return;
    this.#sleep(index, value, blocked, words);
  }

  #sleep(index: number, value: number, blocked: Blocked, words: Int32Array): void {
    const { awaited } = blocked;
    const watch = new ProgressWatch(this.words);
    const slice = Math.min(sliceMilliseconds, (this.#timeoutSeconds * 1000) / 4);
    Atomics.add(words, index + 1, 1);
    publishAwaited(this.words, this.#rank, awaited);
    try {
      while (Atomics.load(words, index) === value) {
        if (Atomics.wait(words, index, value, slice) !== 'timed-out' || Atomics.load(words, index) !== value) continue;
        blocked.check();
        if (watch.stillFor(awaited) >= this.#timeoutSeconds * 1000) blocked.timedOut(this.#timeoutSeconds);
      }
    } finally {
      publishAwaited(this.words, this.#rank, -1);
      Atomics.sub(words, index + 1, 1);
    }
  }
}

/** Publishes words[index] and wakes sleepers, if any: waking is slow and asking is not. */
export function publish(words: Int32Array, index: number, value: number): void {
  Atomics.store(words, index, value);
  if (Atomics.load(words, index + 1) > 0) Atomics.notify(words, index);
}
