// Where the devices' time goes for an output token, what holds a deployment back, and what another spends more.
import { devicesOf } from '../serving/instance.ts';
import type { ServingPrediction, Speculation } from '../serving/scenario.ts';
import { tokensOfIteration } from '../serving/speculation.ts';
import { keepsTargets, type LatencyTargets, type Loaded } from './task.ts';

export const deviceCauses = ['prompts', 'products', 'attention', 'other', 'collectives', 'overhead'] as const;
export type DeviceCause = (typeof deviceCauses)[number];

/** Seconds of all devices for an output token; `prompts`: reading them, its devices' waiting included. They add up to devices over tokens a second. */
export type DeviceSeconds = Readonly<Record<DeviceCause, number>>;

/** `speculation`: what the prediction was made with; an iteration then writes several tokens of a request. */
export function deviceSeconds(
  { deployment, prediction }: Pick<Loaded, 'deployment' | 'prediction'>,
  speculation: Speculation | undefined,
): DeviceSeconds {
  const { decodeIteration, running, devices, outputTokensPerSecond } = prediction;
  const { layout } = deployment.kind === 'aggregated' ? deployment.pool : deployment.decode;
  const all = devices / outputTokensPerSecond;
  const written = running * tokensOfIteration(speculation);
  const perToken = Math.min(devicesOf(layout) / written, all / decodeIteration.total);
  const { products, attention, other, collectives, overhead, total } = decodeIteration;
  const prompts = all - total * perToken;
  return {
    // What is left of sums in another order is nothing.
    prompts: prompts > 1e-9 * all ? prompts : 0,
    products: products * perToken,
    attention: attention * perToken,
    other: other * perToken,
    collectives: collectives * perToken,
    overhead: overhead * perToken,
  };
}

export type ServingBottleneck = 'weights' | 'work' | 'state';

export interface ServingShortage {
  readonly bottleneck: ServingBottleneck;
  readonly cause: DeviceCause;
  /** Of the devices' time. */
  readonly share: number;
}

/**
 * By what takes most of the devices' time. Talk and small kernels take so much where few tokens are written at once, which is a matter of their
 * state, as is attention; products are the reading of weights, where those of one request take more than half as long, or work.
 */
export function servingShortage(loaded: Loaded, speculation: Speculation | undefined): ServingShortage {
  const seconds = deviceSeconds(loaded, speculation);
  const cause = deviceCauses.reduce((most, each) => (seconds[each] > seconds[most] ? each : most));
  const share = seconds[cause] / deviceCauses.reduce((sum, each) => sum + seconds[each], 0);
  return { cause, share, bottleneck: bottleneckOf(cause, loaded.prediction) };
}

function bottleneckOf(cause: DeviceCause, { bottleneck }: ServingPrediction): ServingBottleneck {
  if (cause === 'prompts') return 'work';
  if (cause === 'products') return bottleneck === 'weights' ? 'weights' : 'work';
  return 'state';
}

export type LoadLimit = 'first token' | 'output token' | 'room' | undefined;

/** Why it has no more requests under way: what one more load that was tried would break; `room`: there is none for more. */
export function loadLimit(
  { deployment, concurrency }: Loaded,
  points: readonly Loaded[],
  targets: LatencyTargets,
): LoadLimit {
  const more = points
    .filter((point) => point.deployment === deployment && point.concurrency > concurrency)
    .sort((a, b) => a.concurrency - b.concurrency)[0];
  if (!more) return 'room';
  if (keepsTargets(more.prediction, targets)) return undefined;
  return more.prediction.secondsPerOutputToken.mean > targets.secondsPerOutputToken ? 'output token' : 'first token';
}

/** What the second spends more than the first, of the devices' seconds for an output token; the largest first. */
export function compareDevices(
  better: Loaded,
  worse: Loaded,
  speculation: Speculation | undefined,
): { readonly cause: DeviceCause; readonly seconds: number }[] {
  const [of, than] = [deviceSeconds(worse, speculation), deviceSeconds(better, speculation)];
  return deviceCauses
    .map((cause) => ({ cause, seconds: of[cause] - than[cause] }))
    .sort((a, b) => b.seconds - a.seconds);
}
