// How fast ranks go: freely, held up at random points, or in turns that a seed decides.

import type { Instruments } from '../../src/runtime/transport/threads/rank-context.ts';
import { randomNumbers } from '../random-numbers.ts';
import type { Pace } from './recorder.ts';

export type PaceName = 'free' | 'delayed' | 'turns';

export const free: Pace = { pause: () => {}, yields: false };

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps up to a millisecond at random points, `every` calls apart on average, so that others get ahead of this rank. */
export function delays(seed: number, every: number): () => void {
  const next = randomNumbers(seed);
  return () => {
    if (next() * every < 1) Atomics.wait(nobody, 0, 0, next());
  };
}

/** Pauses before every access to shared memory: between meeting and copying too. */
export function delaying(pause: () => void): Instruments {
  return {
    peers: (peers) => ({
      copy: (...copy) => {
        pause();
        peers.copy(...copy);
      },
      reduce: (...reduce) => {
        pause();
        peers.reduce(...reduce);
      },
    }),
    memory: (memory) => ({
      copyIn: (...copy) => {
        pause();
        memory.copyIn(...copy);
      },
      copyOut: (...copy) => {
        pause();
        memory.copyOut(...copy);
      },
      read: (word) => memory.read(word),
      write: (word, value) => memory.write(word, value),
      load: (word) => memory.load(word),
      publish: (word, value) => {
        pause();
        memory.publish(word, value);
      },
      wait: (...wait) => memory.wait(...wait),
    }),
  };
}

/** Words of the memory that ranks in turns share: whose turn it is, the state of the dice, who has finished. */
const turnWord = 0;
const diceWord = 1;
const finishedWord = 2;
export const turnsMemory = (seed: number): Int32Array => {
  const words = new Int32Array(new SharedArrayBuffer(12));
  words[diceWord] = seed;
  return words;
};

export interface Turns extends Pace {
  readonly finish: () => void;
}

/**
 * Only one rank runs at a time; at every pause dice decide who is next, the same in every run with the same seed. `stay` of 1000
 * times the rank goes on: near 1000 one end of a channel gets as far ahead as it can, near 0 they alternate.
 */
export function turns(words: Int32Array, rank: number, size: number, stay: number): Turns {
  const roll = (sides: number): number => {
    let dice = words[diceWord]! | 1;
    dice ^= dice << 13;
    dice ^= dice >>> 17;
    dice ^= dice << 5;
    words[diceWord] = dice;
    return (dice >>> 1) % sides;
  };
  const await_ = (): void => {
    const deadline = performance.now() + 20_000;
    for (let turn = Atomics.load(words, turnWord); turn !== rank; turn = Atomics.load(words, turnWord)) {
      if (performance.now() > deadline) throw new Error(`rank ${rank} waited 20 s for its turn; it is rank ${turn}'s`);
      Atomics.wait(words, turnWord, turn, 1000);
    }
  };
  const pass = (others: readonly number[]): void => {
    Atomics.store(words, turnWord, others[roll(others.length)]!);
    Atomics.notify(words, turnWord);
  };
  const unfinished = (): number[] =>
    Array.from({ length: size }, (_, other) => other).filter(
      (other) => other !== rank && (words[finishedWord]! & (1 << other)) === 0,
    );
  return {
    yields: true,
    pause: () => {
      await_();
      const others = unfinished();
      if (others.length === 0 || roll(1000) < stay) return;
      pass(others);
      await_();
    },
    finish: () => {
      await_();
      words[finishedWord] = words[finishedWord]! | (1 << rank);
      const others = unfinished();
      if (others.length > 0) pass(others);
    },
  };
}
