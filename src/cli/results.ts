// The results of a run as the JSON contract has them: numbers by rank, predicted and measured in the same shape.
import type { GroupAxis } from '../mesh/mesh.ts';
import type { CollectiveOp } from '../mesh/traffic.ts';
import type { BytesSent } from '../plan/predict-step.ts';
import type { StepSettings } from '../step/settings.ts';
import type { RestartReport, StepReport } from '../train/job.ts';
import type { TrainSummary } from '../train/launch.ts';
import { predictedStep } from './predicted-step.ts';
import { median } from './scaling.ts';

/** One number a rank, in rank order; a rank that never takes part in a collective has 0. */
export type ByRank = readonly number[];
export type BytesByRank = { readonly [axis in GroupAxis]?: { readonly [op in CollectiveOp]?: ByRank } };

/** What is both predicted and measured. */
export interface Figures {
  /**
   * Bytes of weights, gradients, optimizer state, activations and tokens. Measured, they are counted as they are allocated.
   */
  readonly peakBytes: ByRank;
  /** By how much the resident memory of the process grew over what it was before its ranks started, at most. */
  readonly processBytes?: number;
  /** Of all steps that ran. */
  readonly bytesSent: BytesByRank;
  /** Matrix-multiply FLOPs of all steps that ran. */
  readonly flops: ByRank;
  /** Of a step: predicted where the machine was measured, measured the median of those after the first. */
  readonly stepSeconds?: number | undefined;
}

/** From an object a rank to a list of ranks at every leaf. */
export function byRank(ranks: readonly BytesSent[]): BytesByRank {
  const merged: { [axis: string]: { [op: string]: number[] } } = {};
  ranks.forEach((bytesSent, rank) => {
    for (const [axis, ops] of Object.entries(bytesSent))
      for (const [op, bytes] of Object.entries(ops ?? {})) {
        merged[axis] ??= {};
        merged[axis][op] ??= ranks.map(() => 0);
        merged[axis][op][rank] = bytes;
      }
  });
  return merged;
}

export const predictedFigures = (
  { predicted: ranks, processBytes }: TrainSummary,
  settings: StepSettings,
): Figures => ({
  peakBytes: ranks.map(({ peakBytes }) => peakBytes),
  processBytes: processBytes.predicted,
  bytesSent: byRank(ranks.map(({ bytesSent }) => bytesSent)),
  flops: ranks.map(({ flops }) => flops),
  stepSeconds: predictedStep(settings),
});

export const measuredFigures = ({ ranks, bytesSent, steps, processBytes: { measured } }: TrainSummary): Figures => ({
  peakBytes: ranks.map(({ peakBytes }) => peakBytes),
  ...(measured === undefined ? {} : { processBytes: measured }),
  bytesSent: byRank(bytesSent),
  flops: ranks.map(({ flops }) => flops),
  ...(steps.length > 1 ? { stepSeconds: median(steps.slice(1).map(({ seconds }) => seconds)) } : {}),
});

export const stepLine = ({ step, loss, gradNorm, figures, seconds }: StepReport, tokensPerStep: number) => ({
  step,
  loss,
  gradNorm,
  ...figures,
  tokens: step * tokensPerStep,
  seconds,
});

/** Without `rank` where none can be named. */
export const restartLine = ({ kind: _, ...restart }: RestartReport) => ({ restart });

export const doneLine = (summary: TrainSummary, settings: StepSettings) => ({
  done: true,
  tokensPerSecond: summary.tokensPerSecond,
  modelFlopsPerSecond: summary.modelFlopsPerSecond,
  ...measuredFigures(summary),
  predicted: predictedFigures(summary, settings),
});
