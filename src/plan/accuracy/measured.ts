// What a training row measured: seconds of a step, from whatever the row gives, and bytes of a device.
import type { ModelConfig } from '../../model/config.ts';
import { trainingFlopsPerToken, weightsOfToken } from '../../model/weights.ts';
import type { TrainingScenario } from '../training/scenario.ts';
import type { RowFacts } from './row-facts.ts';
import { type Row, readingIn, refuseReading, wordsIn } from './table.ts';

export interface TrainingMeasured {
  readonly stepSeconds?: number;
  /** Of the fullest device. */
  readonly memory?: { readonly bytes: number; readonly kind: 'allocated' | 'reserved' };
  readonly ranOutOfMemory: boolean;
}

/** A step takes from a microsecond to a year: anything else was written wrongly. */
const leastSeconds = 1e-6;
const mostSeconds = 365 * 86_400;

/** @throws TABLE_INVALID for what nobody can have measured */
export function measuredBy(row: Row, facts: RowFacts, scenario: TrainingScenario): TrainingMeasured {
  const stepSeconds = stepSecondsOf(row, facts, scenario);
  if (stepSeconds !== undefined && !(stepSeconds >= leastSeconds && stepSeconds <= mostSeconds))
    refuseReading(row, `it says that a step took ${stepSeconds.toPrecision(3)} s`);
  const gibibytes = readingIn(row, 'peak_mem_gib');
  return {
    ...(stepSeconds === undefined ? {} : { stepSeconds }),
    ...(gibibytes === undefined
      ? {}
      : { memory: { bytes: gibibytes * 2 ** 30, kind: facts.readsReserved ? 'reserved' : 'allocated' } }),
    ranOutOfMemory: /\bOOM\b|out of memory/i.test(wordsIn(row, ['mem_note'])),
  };
}

/** Its own, or from tokens or sequences a second, or from FLOP/s by what its source counts as FLOPs. */
function stepSecondsOf(row: Row, facts: RowFacts, scenario: TrainingScenario): number | undefined {
  const printed = readingIn(row, 'iter_time_s');
  if (printed !== undefined) return printed;
  const { layout, cluster, config, seqLen, microBatch, microbatches } = scenario;
  const sequences = layout.dp * layout.ep * microBatch * microbatches;
  const tokens = sequences * seqLen;
  const tokensPerSecond = readingIn(row, 'tokens_per_s_per_gpu');
  if (tokensPerSecond !== undefined) return tokens / tokensPerSecond / cluster.devices;
  const sequencesPerSecond = readingIn(row, 'samples_per_s');
  if (sequencesPerSecond !== undefined) return sequences / sequencesPerSecond;
  const teraflops = readingIn(row, 'tflops_per_gpu');
  const share = readingIn(row, 'mfu_pct');
  const peak = cluster.device.flopsPerSecond.bf16;
  const rate =
    teraflops === undefined
      ? share === undefined || peak === undefined
        ? undefined
        : (share / 100) * peak
      : teraflops * 1e12;
  if (rate === undefined) return undefined;
  const recomputes = teraflops !== undefined && facts.countsRecomputation && layout.recompute.policy === 'full';
  const counted = facts.countsLayersAlone
    ? (recomputes ? 8 : 6) * (weightsOfToken(config) - config.hiddenSize * config.vocabSize)
    : countedFlops(config, seqLen, recomputes);
  return (tokens * counted) / rate / cluster.devices;
}

/**
 * FLOPs of a token as published rates count them: attention without regard to its mask, and, where recomputation counts, another
 * forward pass of all but the head (Narayanan et al., 2021, section 3.4).
 */
export function countedFlops(config: ModelConfig, seqLen: number, recomputes: boolean): number {
  const scores = 12 * config.layers * config.heads * config.headDim * seqLen;
  const weights = 6 * weightsOfToken(config);
  if (!recomputes) return weights + scores;
  return ((weights + scores) * 4) / 3 - 2 * config.hiddenSize * config.vocabSize;
}

/** What is needed at least, with attention's mask: model FLOPs of a step on each device. */
export const modelFlops = ({ config, seqLen, layout, cluster, microBatch, microbatches }: TrainingScenario): number =>
  (layout.dp * layout.ep * microBatch * microbatches * seqLen * trainingFlopsPerToken(config, seqLen)) /
  cluster.devices;
