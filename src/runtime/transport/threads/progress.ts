// Whether those that a waiting rank waits for make progress, which is what a time-out asks.
//
// A rank that sleeps in a call publishes whom it awaits: so the ranks in question are a chain. It ends at a rank that computes, whose
// heartbeat moves or does not, or in a circle, where nobody's ever will.
import { statusAt } from './memory-map.ts';
import { statusWord } from './status.ts';

const status = (words: Int32Array, rank: number, word: number): number =>
  Atomics.load(words, statusAt(rank) / 4 + word);

/** Says whom a rank awaits from now on; -1: nobody. */
export function publishAwaited(words: Int32Array, rank: number, awaited: number): void {
  Atomics.store(words, statusAt(rank) / 4 + statusWord.awaits, awaited + 1);
}

/** The ranks that `rank` waits for, one waiting for the next, and their heartbeats: what changes whenever one of them does anything. */
function chainFrom(words: Int32Array, rank: number): number[] {
  const chain: number[] = [];
  const seen = new Set<number>();
  for (let at = rank; at >= 0 && !seen.has(at); at = status(words, at, statusWord.awaits) - 1) {
    seen.add(at);
    chain.push(at, status(words, at, statusWord.heartbeat));
  }
  return chain;
}

/** Looks come many times a second: where more lies between two, the whole process was stopped, and nobody could have moved. */
const mostBetweenLooks = 1000;

/** What of the time between two looks counts, in milliseconds. */
export const countedBetweenLooks = (milliseconds: number): number => Math.min(milliseconds, mostBetweenLooks);

/** Watches the ranks that one rank waits for. */
export class ProgressWatch {
  readonly #words: Int32Array;
  #chain: readonly number[] = [];
  /** Milliseconds for which nothing was seen to move, and when it was last looked at. */
  #still = 0;
  #lookedAt: number;

  constructor(words: Int32Array) {
    this.#words = words;
    this.#lookedAt = performance.now();
  }

  /** Milliseconds for which none of them, from `awaited` on, has been seen to move. */
  stillFor(awaited: number): number {
    const chain = chainFrom(this.#words, awaited);
    const now = performance.now();
    // The first look sees no movement, only where they are.
    const isFirst = this.#chain.length === 0;
    const differs = chain.length !== this.#chain.length || chain.some((number, i) => number !== this.#chain[i]);
    this.#still = differs && !isFirst ? 0 : this.#still + countedBetweenLooks(now - this.#lookedAt);
    this.#chain = chain;
    this.#lookedAt = now;
    return this.#still;
  }
}
