// The fewest devices of a cluster that train on so many tokens in time.
import { trainingFlopsPerToken } from '../../model/weights.ts';
import { rateOf } from '../hardware/number-format.ts';
import { type Found, searchLayouts } from '../search/search.ts';
import type { SearchTask } from '../search/task.ts';
import type { CostModel } from '../training/costs.ts';
import { clusterSizes, namedPart } from './sizes.ts';

export interface Deadline {
  readonly tokens: number;
  readonly seconds: number;
}

/** A number of devices, and how long so many tokens take on it. */
export interface TriedSize {
  readonly devices: number;
  /** `at least`: bounds show that it is too long. `no layout`: none divides the model and the batch, or none fits. */
  readonly what: 'takes' | 'at least' | 'no layout';
  /** Of the whole training; infinite where there is no layout. */
  readonly seconds: number;
}

export interface FewestDevices {
  /** On the part of the cluster that is enough; undefined: all of it is not. */
  readonly task?: SearchTask;
  readonly best?: Found;
  /** The fewest devices first, up to those that are enough. */
  readonly tried: readonly TriedSize[];
}

/** Of a search that goes on: it looks at so many devices. */
export interface SearchingSizes {
  readonly devices: number;
}

/**
 * Numbers of devices are tried from the least on: more are not always faster, as layouts have to divide them. Those whose peak is too little,
 * and those whose every layout is bounded to be too slow, are ruled out without a search to the end.
 */
export function* fewestForDeadline(
  task: SearchTask,
  model: CostModel,
  { tokens, seconds }: Deadline,
): Generator<SearchingSizes, FewestDevices, void> {
  const { config, cluster, formats, seqLen, globalBatch } = task;
  const steps = tokens / (seqLen * globalBatch);
  const peak = cluster.device.flopsPerSecond[rateOf[formats.products]]!;
  const deviceSeconds = (tokens * trainingFlopsPerToken(config, seqLen)) / peak;
  const tried: TriedSize[] = [];
  for (const devices of clusterSizes(cluster)) {
    const part = namedPart(cluster, devices);
    if (!part) continue;
    if (deviceSeconds / devices > seconds) {
      tried.push({ devices, what: 'at least', seconds: deviceSeconds / devices });
      continue;
    }
    const small = { ...task, cluster: part };
    const search = searchLayouts(small, model, { objective: 'time', top: 1 });
    let state = search.next();
    while (!state.done && steps * state.value.bound <= seconds) {
      yield { devices };
      state = search.next();
    }
    if (!state.done) {
      tried.push({ devices, what: 'at least', seconds: steps * state.value.bound });
      continue;
    }
    const [best] = state.value.found;
    if (!best) {
      tried.push({ devices, what: 'no layout', seconds: Number.POSITIVE_INFINITY });
      continue;
    }
    const takes = steps * best.prediction.stepSeconds;
    tried.push({ devices, what: 'takes', seconds: takes });
    if (takes <= seconds) return { task: small, best, tried };
  }
  return { tried };
}
