// When requests come, and how long they are.
import { drawLengths, seededRandom, type TokenCounts } from './lengths.ts';
import type { RequestLengths, ServingLoad } from './scenario.ts';

export interface Arrival extends TokenCounts {
  readonly seconds: number;
}

/** Requests of a benchmark with a fixed number under way: so many times that number. */
const roundsOfClosed = 10;

export interface Arrivals {
  /** Known from the start, in order. */
  readonly given: readonly Arrival[];
  /** Those that come each when another ends; taken from the last. */
  readonly following: TokenCounts[];
}

/** `all`: how many under way are as many as are useful. */
export function arrivalsOf(load: ServingLoad, lengths: RequestLengths, all: number): Arrivals {
  switch (load.kind) {
    case 'closed':
    case 'saturated': {
      const concurrency = load.kind === 'closed' ? load.concurrency : all;
      const random = seededRandom(1);
      const draw = () => drawLengths(lengths, random);
      return {
        given: Array.from({ length: concurrency }, () => ({ seconds: 0, ...draw() })),
        following: Array.from({ length: (roundsOfClosed - 1) * concurrency }, draw),
      };
    }
    case 'poisson': {
      const random = seededRandom(load.seed);
      let seconds = 0;
      const next = (): Arrival => {
        seconds -= Math.log(1 - random()) / load.requestsPerSecond;
        return { seconds, ...drawLengths(lengths, random) };
      };
      return { given: Array.from({ length: load.requests }, next), following: [] };
    }
    case 'recorded': {
      const random = seededRandom(1);
      const given = load.arrivals.map(({ seconds, inputTokens, outputTokens }) => {
        const drawn = drawLengths(lengths, random);
        return {
          seconds,
          inputTokens: inputTokens ?? drawn.inputTokens,
          outputTokens: outputTokens ?? drawn.outputTokens,
        };
      });
      return { given, following: [] };
    }
  }
}
