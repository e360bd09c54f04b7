// What requests that were played one by one come to: means, percentiles, and how many kept their targets.
import type { PlayedRequest } from './played-instance.ts';
import type { LatencyFigures, ServingScenario } from './scenario.ts';

export interface PlayedFigures {
  readonly secondsToFirstToken: LatencyFigures;
  readonly secondsPerOutputToken: LatencyFigures;
  readonly secondsOfRequest: LatencyFigures;
  readonly requestsPerSecond: number;
  readonly outputTokensPerSecond: number;
  readonly goodRequestsPerSecond?: number;
  /** Requests that have their first token and not their last, on average. */
  readonly writing: number;
}

const firstSeconds = ({ arrival, firstToken }: PlayedRequest): number => firstToken - arrival;
const tokenSeconds = ({ firstToken, end, outputTokens }: PlayedRequest): number =>
  outputTokens > 1 ? (end - firstToken) / (outputTokens - 1) : 0;
const requestSeconds = ({ arrival, end }: PlayedRequest): number => end - arrival;

export function figuresOf(requests: readonly PlayedRequest[], targets: ServingScenario['targets']): PlayedFigures {
  const last = Math.max(...requests.map(({ end }) => end));
  const seconds = last - Math.min(...requests.map(({ arrival }) => arrival));
  const isGood = (request: PlayedRequest): boolean =>
    firstSeconds(request) <= targets!.secondsToFirstToken && tokenSeconds(request) <= targets!.secondsPerOutputToken;
  const sum = (of: (request: PlayedRequest) => number) => requests.reduce((all, request) => all + of(request), 0);
  return {
    secondsToFirstToken: latency(requests.map(firstSeconds)),
    secondsPerOutputToken: latency(requests.filter(({ outputTokens }) => outputTokens > 1).map(tokenSeconds)),
    secondsOfRequest: latency(requests.map(requestSeconds)),
    requestsPerSecond: requests.length / seconds,
    outputTokensPerSecond: sum(({ outputTokens }) => outputTokens) / seconds,
    ...(targets && { goodRequestsPerSecond: requests.filter(isGood).length / seconds }),
    writing: sum(({ firstToken, end }) => end - firstToken) / seconds,
  };
}

/** Percentiles by the nearest rank. */
export function latency(seconds: readonly number[]): LatencyFigures {
  const sorted = [...seconds].sort((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  const mean = sorted.reduce((sum, each) => sum + each, 0) / Math.max(1, sorted.length);
  return { mean, p50: rank(0.5), p90: rank(0.9), p99: rank(0.99) };
}
