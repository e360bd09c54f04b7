// A prediction by playing every request: percentiles, bursts and queues come out of it.
import { arrivalsOf } from './arrivals.ts';
import { ofRank, writingBatch } from './batch.ts';
import type { Deployed, DeployedPool } from './deployed.ts';
import { bottleneckOf } from './explained.ts';
import { figuresOf } from './latency.ts';
import { type PlayedDeployment, type PlayedPool, playRequests } from './play-requests.ts';
import type { ServingPrediction, ServingScenario } from './scenario.ts';
import { checkedTokens, draftShare, tokensOfIteration } from './speculation.ts';

export function playedServing(deployed: Deployed, scenario: ServingScenario): ServingPrediction {
  const { load, targets, speculation } = scenario;
  const { writers, lengths, devices, mostWritten } = deployed;
  const requests = playRequests(playedOf(deployed, scenario), arrivalsOf(load, scenario.lengths, mostWritten));
  const { writing, ...figures } = figuresOf(requests, targets);
  const running = writing / writers.instances;
  // With as many under way at any time, it is they who set the rate: the ends of the play, where there are fewer, count for nothing.
  const requestsPerSecond =
    load.kind === 'closed' ? load.concurrency / figures.secondsOfRequest.mean : figures.requestsPerSecond;
  const outputTokensPerSecond = requestsPerSecond * lengths.outputTokens;
  const context = lengths.inputTokens + lengths.outputTokens / 2;
  const { instance } = writers;
  const batch = writingBatch(ofRank(running, instance.layout.dp), context, checkedTokens(speculation));
  const decodeIteration = instance.iterate(batch);
  return {
    ...figures,
    fits: true,
    devices,
    requestsPerSecond,
    outputTokensPerSecond,
    outputTokensPerSecondPerDevice: outputTokensPerSecond / devices,
    running,
    decodeIteration,
    memory: instance.memory,
    bottleneck: bottleneckOf(deployed, { decodeIteration }, load.kind === 'closed' ? load.concurrency : running),
  };
}

function playedOf(
  { writers, readers, steady, transferSeconds }: Deployed,
  { speculation, model }: ServingScenario,
): PlayedDeployment {
  const played = ({ instance, instances }: DeployedPool, does: { reads: boolean; writes: boolean }): PlayedPool => ({
    instances,
    setting: {
      ...does,
      iterate: instance.iterate,
      policy: steady.policy,
      ranks: instance.layout.dp,
      cacheTokens: instance.memory.cacheTokens,
      queries: checkedTokens(speculation),
      gained: tokensOfIteration(speculation),
      draftShare: draftShare(speculation, model.layers),
    },
  });
  const { answerSeconds } = steady;
  if (!readers) return { first: played(writers, { reads: true, writes: true }), answerSeconds };
  return {
    first: played(readers, { reads: true, writes: false }),
    after: { ...played(writers, { reads: false, writes: true }), transferSeconds },
    answerSeconds,
  };
}
