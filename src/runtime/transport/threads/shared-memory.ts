// What a rank's ends do with memory that other ranks see: every access is one of these.
//
// The plain ones (copies and words) are ordered by the published words around them and by nothing else: whoever loads a
// published value sees all that its publisher wrote before. test/races proves that no two plain ones ever meet unordered.
import type { Vector } from '../transport.ts';
import type { Blocked } from './waiter.ts';

export interface SharedMemory {
  /** Writes source[start .. start + count) at byte `at`, a multiple of the element's bytes. */
  copyIn(at: number, source: Vector, start: number, count: number): void;
  /** Reads target[start .. start + count) from byte `at`. */
  copyOut(at: number, target: Vector, start: number, count: number): void;
  /** A plain word, by its index. */
  read(word: number): number;
  write(word: number, value: number): void;
  /** A published word. */
  load(word: number): number;
  /** Publishes a word and wakes whoever waits for it. */
  publish(word: number, value: number): void;
  /** Returns when a published word is no longer `value`. The word after it counts the sleepers. */
  wait(word: number, value: number, blocked: Blocked): void;
}
