// Tokens of requests: means, and lengths drawn.
import type { RequestLengths } from './scenario.ts';

/** A generator of numbers in [0, 1) from a seed (mulberry32): the same seed gives the same numbers everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface TokenCounts {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Of all requests, on average. */
export function meanLengths({ inputTokens, outputTokens, shortest = 1 }: RequestLengths): TokenCounts {
  const mean = (1 + shortest) / 2;
  return { inputTokens: Math.max(1, inputTokens * mean), outputTokens: Math.max(1, outputTokens * mean) };
}

export function drawLengths(
  { inputTokens, outputTokens, shortest = 1 }: RequestLengths,
  random: () => number,
): TokenCounts {
  const draw = (most: number) => Math.max(1, Math.round(most * (shortest + (1 - shortest) * random())));
  return { inputTokens: draw(inputTokens), outputTokens: draw(outputTokens) };
}
