import { expect, test } from 'vitest';
import { figuresOf, latency } from './latency.ts';

test('percentiles are those of the nearest rank', () => {
  const seconds = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect(latency(seconds)).toEqual({ mean: 50.5, p50: 50, p90: 90, p99: 99 });
  expect(latency([3])).toEqual({ mean: 3, p50: 3, p90: 3, p99: 3 });
});

test('goodput counts requests that keep both targets', () => {
  const request = (firstToken: number, end: number) => ({
    arrival: 0,
    inputTokens: 1,
    outputTokens: 11,
    firstToken,
    end,
  });
  const requests = [request(1, 2), request(3, 4), request(1, 10)];
  const figures = figuresOf(requests, { secondsToFirstToken: 2, secondsPerOutputToken: 0.5 });
  expect(figures.goodRequestsPerSecond).toBeCloseTo(1 / 10);
  expect(figures.requestsPerSecond).toBeCloseTo(3 / 10);
  expect(figures.secondsPerOutputToken.mean).toBeCloseTo((0.1 + 0.1 + 0.9) / 3);
  expect(figures.writing).toBeCloseTo((1 + 1 + 9) / 10);
});
