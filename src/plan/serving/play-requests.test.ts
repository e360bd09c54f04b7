// Requests played one by one, against arithmetic and against what queueing theory says of the same queue.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Arrival } from './arrivals.ts';
import { type Batch, tokensOf } from './batch.ts';
import { enginePolicies } from './engines.ts';
import { seededRandom } from './lengths.ts';
import { playRequests } from './play-requests.ts';
import type { PlayedRequest, PlayedSetting } from './played-instance.ts';

/** Seconds of an iteration that are a sum: so much for it, for every token, and for every token of context. */
const iterateBy = (each: number, token: number, context: number) => (batch: Batch) => ({
  products: 0,
  experts: 0,
  attention: 0,
  other: 0,
  collectives: 0,
  overhead: 0,
  total: each + token * tokensOf(batch) + context * batch.writing * batch.context,
});

const setting = (given: Partial<PlayedSetting> = {}): PlayedSetting => ({
  iterate: iterateBy(1, 0.01, 0),
  policy: enginePolicies.vllm,
  ranks: 1,
  cacheTokens: 1e6,
  reads: true,
  writes: true,
  queries: 1,
  gained: 1,
  draftShare: 0,
  ...given,
});

const play = (given: Partial<PlayedSetting>, arrivals: readonly Arrival[], instances = 1): PlayedRequest[] =>
  playRequests({ first: { setting: setting(given), instances }, answerSeconds: 0 }, { given: arrivals, following: [] });

const policies = Object.values(enginePolicies);

describe('a request alone', () => {
  test.each(policies)('takes its prompt and then an iteration a token, policy %#', (policy) => {
    const [request] = play({ policy, iterate: iterateBy(1, 0.01, 0.001) }, [
      { seconds: 5, inputTokens: 100, outputTokens: 4 },
    ]);
    // Contexts of the three that are written: 100, 101, 102, as their mean three times.
    expect(request!.firstToken).toBeCloseTo(5 + 1 + 1, 9);
    expect(request!.end - request!.firstToken).toBeCloseTo(3 * (1 + 0.01 + 0.001 * 101.5), 9);
  });

  test('is read in pieces where its prompt is longer than an iteration takes, or whole where the engine has no pieces', () => {
    const policy = { ...enginePolicies.vllm, promptTokens: 40 };
    const arrivals = [{ seconds: 0, inputTokens: 100, outputTokens: 1 }];
    expect(play({ policy }, arrivals)[0]!.firstToken).toBeCloseTo(3 + 1, 1);
    expect(play({ policy: { ...policy, chunks: false } }, arrivals)[0]!.firstToken).toBeCloseTo(1 + 1, 9);
  });

  test('of a draft gains more tokens an iteration', () => {
    const arrivals = [{ seconds: 0, inputTokens: 10, outputTokens: 21 }];
    const [request] = play({ queries: 4, gained: 2.5, draftShare: 0.1, iterate: iterateBy(1, 0, 0) }, arrivals);
    expect(request!.end - request!.firstToken).toBeCloseTo((20 / 2.5) * 1.1, 9);
  });
});

describe('all requests', () => {
  const arrivalsIn = (random: () => number, count: number): Arrival[] => {
    let seconds = 0;
    return Array.from({ length: count }, () => {
      seconds += 3 * random();
      return { seconds, inputTokens: 1 + Math.floor(200 * random()), outputTokens: 1 + Math.floor(30 * random()) };
    });
  };

  test('end, after they came; tokens take at least as long as alone; the same again gives the same', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.constantFrom(...policies),
        fc.integer({ min: 1, max: 3 }),
        fc.constantFrom(300, 1000, 1e6),
        fc.constantFrom(1, 2),
        (seed, policy, instances, cacheTokens, ranks) => {
          const arrivals = arrivalsIn(seededRandom(seed), 40);
          const given = { policy: { ...policy, promptTokens: 128 }, cacheTokens, ranks };
          const requests = play(given, arrivals, instances);
          expect(requests).toHaveLength(40);
          for (const { arrival, firstToken, end, outputTokens } of requests) {
            expect(firstToken).toBeGreaterThan(arrival + 1);
            expect(end - firstToken).toBeGreaterThanOrEqual((outputTokens - 1) * 1.0099);
          }
          expect(play(given, arrivals, instances)).toEqual(requests);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('never hold more of the cache than there is: those that have no room wait', () => {
    const policy = enginePolicies.trtllm;
    const arrivals = Array.from({ length: 6 }, () => ({ seconds: 0, inputTokens: 50, outputTokens: 50 }));
    // Room for two at once: three rounds.
    const ends = play({ policy, cacheTokens: 250, iterate: iterateBy(1, 0, 0) }, arrivals).map(({ end }) => end);
    expect(ends.map((end) => Math.ceil(end / 50))).toEqual([1, 1, 2, 2, 3, 3]);
  });
});

test('prompts that come at random to one reader wait as Pollaczek and Khinchine say', () => {
  // Service of 1 s at 70 % load: a mean wait of 0.7 / (2 · 0.3) = 1.167 s. Over 100,000 requests a standard error of the mean of 1 % or so, of
  // waits that are correlated over some ten of them: 5 % are many of them.
  const random = seededRandom(3);
  let seconds = 0;
  const arrivals = Array.from({ length: 100_000 }, () => {
    seconds -= Math.log(1 - random()) / 0.7;
    return { seconds, inputTokens: 10, outputTokens: 1 };
  });
  const policy = { ...enginePolicies.sglang, promptTokens: 10 };
  const requests = play({ policy, iterate: iterateBy(1, 0, 0) }, arrivals);
  const wait = requests.reduce((sum, { arrival, end }) => sum + end - arrival - 1, 0) / requests.length;
  expect(wait / (0.7 / 0.6)).toBeGreaterThan(0.95);
  expect(wait / (0.7 / 0.6)).toBeLessThan(1.05);
});

test('pools apart: read by one, moved, written by another without pieces of others between', () => {
  const reader = setting({ writes: false, iterate: iterateBy(2, 0, 0) });
  const writer = setting({ reads: false, iterate: iterateBy(1, 0, 0) });
  const given = [0, 1].map((seconds) => ({ seconds, inputTokens: 8, outputTokens: 5 }));
  const requests = playRequests(
    {
      first: { setting: reader, instances: 1 },
      after: { setting: writer, instances: 1, transferSeconds: 0.5 },
      answerSeconds: 0.25,
    },
    { given, following: [] },
  );
  // The second is queued at 1.25 while the first is read until 2.25; its own reading ends at 4.25.
  expect(requests.map(({ firstToken }) => firstToken)).toEqual([2.25, 4.25]);
  expect(requests[0]!.end).toBe(2.25 + 0.5 + 4);
  // It comes in the middle of an iteration of the first, and waits for its end.
  expect(requests[1]!.end).toBe(4.75 + 4);
});

test('with a number under way each request that ends brings the next', () => {
  const lengths = { inputTokens: 10, outputTokens: 10 };
  const requests = playRequests(
    { first: { setting: setting(), instances: 2 }, answerSeconds: 0 },
    { given: Array.from({ length: 4 }, () => ({ seconds: 0, ...lengths })), following: Array(20).fill(lengths) },
  );
  expect(requests).toHaveLength(24);
  const times = requests.flatMap(({ arrival, end }) => [
    [arrival, 1],
    [end, -1],
  ]) as [number, number][];
  let underway = 0;
  for (const [, change] of times.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    underway += change;
    expect(underway).toBeLessThanOrEqual(4);
  }
});
