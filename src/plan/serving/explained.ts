// What limits a deployment: the weights it reads, its work, the state of requests, talk, the engine, or room.
import { writingBatch } from './batch.ts';
import type { Deployed } from './deployed.ts';
import type { Instance } from './instance.ts';
import type { TokenCounts } from './lengths.ts';
import type { IterationSeconds, ServingPrediction } from './scenario.ts';

/** What most of an iteration is: of products the weights they read, if those of one request take more than half as long. */
export function bottleneckOf(
  { steady, lengths, mostWritten }: Deployed,
  { decodeIteration }: { readonly decodeIteration: IterationSeconds },
  concurrency: number,
): ServingPrediction['bottleneck'] {
  if (concurrency > mostWritten) return 'capacity';
  const { products, attention, collectives, other, overhead } = decodeIteration;
  const most = Math.max(products, attention, collectives, other + overhead);
  if (most === attention) return 'state';
  if (most === collectives) return 'talk';
  if (most !== products) return 'overhead';
  const alone = steady.iterate(writingBatch(1, lengths.inputTokens)).products;
  return alone > products / 2 ? 'weights' : 'work';
}

const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);

/** Nothing can be said of time where not one request has room. */
export function withoutRoom(
  { memory }: Instance,
  devices: number,
  { inputTokens, outputTokens }: TokenCounts,
): ServingPrediction {
  const { weights, buffers, cache, cacheTokens } = memory;
  const never = { mean: Number.POSITIVE_INFINITY };
  return {
    fits: false,
    problem: `weights (${gib(weights)} GiB) and buffers (${gib(buffers)} GiB) leave ${gib(cache)} GiB of a device for keys and values: ${Math.floor(cacheTokens)} tokens, where a request has ${Math.ceil(inputTokens + outputTokens)}`,
    devices,
    secondsToFirstToken: never,
    secondsPerOutputToken: never,
    secondsOfRequest: never,
    requestsPerSecond: 0,
    outputTokensPerSecond: 0,
    outputTokensPerSecondPerDevice: 0,
    running: 0,
    decodeIteration: { products: 0, experts: 0, attention: 0, other: 0, collectives: 0, overhead: 0, total: 0 },
    memory,
    bottleneck: 'capacity',
  };
}
