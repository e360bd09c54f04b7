// A prediction of serving as the command line shows it: one JSON object, or figures and bars of its memory and of an iteration.
import { printDeployment } from '../plan/deployments/deployment-text.ts';
import { servingTokenCosts } from '../plan/deployments/objective.ts';
import type { Loaded, ServingTask } from '../plan/deployments/task.ts';
import type { LatencyFigures } from '../plan/serving/scenario.ts';
import { tokensOfIteration } from '../plan/serving/speculation.ts';
import { iterationParts, servingMemoryParts } from '../report/serving-parts.ts';
import { formatBytes, formatCount, formatPercent, formatSeconds } from '../units.ts';
import { stackedBars } from './ui/bars.ts';
import { paint } from './ui/colour.ts';

export interface Shown {
  readonly colour: boolean;
  readonly columns: number;
}

/** The fields of the JSON contract. */
export function servingJson({ cluster }: ServingTask, { deployment, concurrency, prediction }: Loaded) {
  const { memory, decodeIteration, outputTokensPerSecondPerDevice, goodRequestsPerSecond, ...rest } = prediction;
  const { cacheTokens, ...memoryBytes } = memory;
  const { devices, requestsPerSecond, outputTokensPerSecond, running, bottleneck } = rest;
  return {
    layout: printDeployment(deployment),
    fits: prediction.fits,
    devices,
    concurrency,
    secondsToFirstToken: rest.secondsToFirstToken,
    secondsPerOutputToken: rest.secondsPerOutputToken,
    secondsOfRequest: rest.secondsOfRequest,
    requestsPerSecond,
    ...(goodRequestsPerSecond === undefined ? {} : { goodRequestsPerSecond }),
    outputTokensPerSecond,
    outputTokensPerSecondPerGpu: outputTokensPerSecondPerDevice,
    running,
    memoryBytes,
    cacheTokens,
    iteration: decodeIteration,
    bottleneck,
    ...servingTokenCosts(cluster, prediction),
  };
}

/** `12.3 ms`, or with percentiles `12.3 ms (p50 11.9 ms, p90 14.2 ms, p99 20.1 ms)`. */
export function latencyText({ mean, p50, p90, p99 }: LatencyFigures): string {
  if (p50 === undefined || p90 === undefined || p99 === undefined) return formatSeconds(mean);
  return `${formatSeconds(mean)} (p50 ${formatSeconds(p50)}, p90 ${formatSeconds(p90)}, p99 ${formatSeconds(p99)})`;
}

/** `model`: as it was named. */
export function showServing(
  model: string,
  { cluster, lengths, formats, engine, speculation }: ServingTask,
  { deployment, concurrency, prediction }: Loaded,
  { colour, columns }: Shown,
): string {
  const { memory, decodeIteration, devices } = prediction;
  const { memoryBytes } = cluster.device;
  const title = paint(
    `${model} on ${devices} × ${cluster.device.title}, ${printDeployment(deployment)}, ${engine}, weights in ${formats.weights}`,
    'bold',
    colour,
  );
  const width = Math.max(10, Math.min(50, columns - 45));
  const memoryBars = stackedBars({
    bars: servingMemoryParts.map(({ key, name }) => ({ name, value: memory[key], text: formatBytes(memory[key]) })),
    full: Math.max(memoryBytes, memory.weights + memory.buffers + memory.cache),
    width,
    colour,
  });
  if (!prediction.fits) return [title, '', `does not fit: ${prediction.problem}`, memoryBars].join('\n');
  const timeBars = stackedBars({
    bars: iterationParts.map(({ key, name }) => ({
      name,
      value: decodeIteration[key],
      text: `${formatSeconds(decodeIteration[key])} ${formatPercent(decodeIteration[key] / decodeIteration.total).padStart(6)}`,
    })),
    full: decodeIteration.total,
    width,
    colour,
  });
  const { goodRequestsPerSecond, requestsPerSecond } = prediction;
  const kept =
    goodRequestsPerSecond === undefined
      ? ''
      : `, of which ${formatPercent(goodRequestsPerSecond / requestsPerSecond)} keep both targets`;
  const drafted = speculation
    ? [
        `every iteration checks ${speculation.draftTokens} drafted tokens, each right with ${formatPercent(speculation.acceptance)}: ${tokensOfIteration(speculation).toFixed(2)} tokens of a request come of it`,
      ]
    : [];
  return [
    title,
    '',
    `prompts of ${lengths.inputTokens} tokens, answers of ${lengths.outputTokens}; ${concurrency.toFixed(0)} requests under way, ${rateText(requestsPerSecond)} a second${kept}`,
    ...drafted,
    `first token after ${latencyText(prediction.secondsToFirstToken)}`,
    `then a token every ${latencyText(prediction.secondsPerOutputToken)}: ${Math.round(1 / prediction.secondsPerOutputToken.mean)} tokens/s of a request`,
    `${formatCount(prediction.outputTokensPerSecond)} tokens/s in all, ${Math.round(prediction.outputTokensPerSecondPerDevice)} a device`,
    '',
    `memory of a device that writes: ${formatBytes(memoryBytes)}; of keys and values an instance holds ${formatCount(memory.cacheTokens)} tokens`,
    memoryBars,
    '',
    `an iteration of ${prediction.running.toFixed(0)} requests that an instance writes: ${formatSeconds(decodeIteration.total)}`,
    timeBars,
  ].join('\n');
}

export const rateText = (rate: number): string => (rate < 10 ? rate.toPrecision(2) : `${Math.round(rate)}`);
