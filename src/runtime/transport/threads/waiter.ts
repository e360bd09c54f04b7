// How a rank waits for another: a short spin, then sleeps that look at the abort word and the clock.

/** What the waiting call knows: asked only when the wait is long. */
export interface Blocked {
  /** Throws if what is waited for can never come. */
  check(): void;
  /** Throws the time-out's error. */
  timedOut(seconds: number): never;
}

const sliceMilliseconds = 50;

export class Waiter {
  readonly words: Int32Array;
  readonly #spins: number;
  readonly #timeoutSeconds: number;

  /** `crowded`: ranks outnumber cores, so whoever spins keeps the awaited rank from running. */
  constructor(words: Int32Array, options: { readonly crowded: boolean; readonly timeoutSeconds: number }) {
    this.words = words;
    this.#spins = options.crowded ? 50 : 40_000;
    this.#timeoutSeconds = options.timeoutSeconds;
  }

  /** Returns when words[index] is no longer `value`; the word after it counts the sleepers. */
  whileEqual(index: number, value: number, blocked: Blocked, words = this.words): void {
    for (let spin = this.#spins; spin > 0; spin--) if (Atomics.load(words, index) !== value) return;
    this.#sleep(index, value, blocked, words);
  }

  #sleep(index: number, value: number, blocked: Blocked, words: Int32Array): void {
    const start = performance.now();
    const deadline = start + this.#timeoutSeconds * 1000;
    Atomics.add(words, index + 1, 1);
    try {
      while (Atomics.load(words, index) === value) {
        const now = performance.now();
        if (now >= deadline) blocked.timedOut(this.#timeoutSeconds);
        if (Atomics.wait(words, index, value, Math.min(sliceMilliseconds, deadline - now)) === 'timed-out')
          if (Atomics.load(words, index) === value) blocked.check();
      }
    } finally {
      Atomics.sub(words, index + 1, 1);
    }
  }
}

/** Publishes words[index] and wakes sleepers, if any: waking is slow and asking is not. */
export function publish(words: Int32Array, index: number, value: number): void {
  Atomics.store(words, index, value);
  if (Atomics.load(words, index + 1) > 0) Atomics.notify(words, index);
}
