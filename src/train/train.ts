// Trains a model on the ranks of one machine: checks everything first, then runs the ranks and gathers what they report.

import { readManifest } from '../checkpoint/commit.ts';
import type { ModelSource } from '../checkpoint/model-source.ts';
import { checkOut } from '../checkpoint/out-directory.ts';
import { openSequences } from '../data/sequences.ts';
import { fail } from '../errors.ts';
import { type Layout, printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import type { CollectiveOp, TrafficCounters } from '../mesh/traffic.ts';
import { trainingFlopsPerToken } from '../model/config.ts';
import { type BatchShape, checkFit } from '../model/fit.ts';
import { type BytesSent, predictRank, type RankPrediction, timesSteps } from '../plan/predict-step.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { AbortSignalLike } from '../runtime/abort-signal.ts';
import { createTrace } from '../runtime/perfetto.ts';
import { runWorld } from '../runtime/world.ts';
import type { WorldPool } from '../runtime/world-pool.ts';
import { type StepSettings, tokensPerStep } from '../step/settings.ts';
import { talkOf } from '../step/talk.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import type { RankResult, StepReport, TrainJob, TrainReport } from './job.ts';
import { type OptimizerSettings, optimizerDefaults } from './optimizer.ts';

export interface TrainOptions extends BatchShape {
  readonly model: ModelSource;
  /** A file of `prepareTokens`. */
  readonly tokenFile: string;
  readonly layout: Layout;
  readonly precision: Precision;
  /** Steps of the whole run; a resumed one does those that are left. */
  readonly steps: number;
  readonly learningRate: number;
  /** Changes to the optimizer's usual settings. */
  readonly optimizer?: Partial<OptimizerSettings>;
  /** A whole number below 2^21: the order of the data and the initial weights. */
  readonly seed: number;
  /** Where checkpoints go; undefined: nowhere. */
  readonly out?: string;
  readonly saveEvery?: number;
  /** A checkpoint of a run to go on with, in any layout. */
  readonly resume?: string;
  /** A file for a Chrome / Perfetto trace. */
  readonly trace?: string;
  readonly tokenizerPath?: string;
  /** How long a rank may wait for the others, or make no progress. */
  readonly timeoutSeconds?: number;
  readonly recorderDir?: string;
  readonly signal?: AbortSignalLike;
  readonly pool?: WorldPool;
  /** Rank 0's reports, as they come. */
  readonly onReport?: (report: TrainReport) => void;
}

export interface TrainSummary {
  readonly steps: readonly StepReport[];
  readonly ranks: readonly RankResult[];
  /** What was predicted for each rank, for the steps that ran. */
  readonly predicted: readonly RankPrediction[];
  /** Bytes sent by each rank, from the transport's counters. */
  readonly bytesSent: readonly BytesSent[];
  readonly setupSeconds: number;
  readonly tokensPerSecond: number;
  readonly modelFlopsPerSecond: number;
}

const defaultTimeoutSeconds = 300;

/** Everything that can be refused is refused here, before anything is written (exit status 2). */
export function planTraining(options: TrainOptions): {
  settings: StepSettings;
  stepsDone: number;
  predicted: RankPrediction[];
} {
  const { model, layout, seqLen, microBatch, precision } = options;
  const microbatches = checkFit(model.config, layout, options);
  const settings: StepSettings = { config: model.config, layout, seqLen, microBatch, microbatches, precision };
  openSequences(options.tokenFile, { seqLen, seed: options.seed }).close();
  if (options.out !== undefined) checkOut(options.out, { resume: options.resume });
  const stepsDone = options.resume === undefined ? 0 : stepOf(options.resume);
  const steps = Math.max(0, options.steps - stepsDone);
  const predicted = Array.from({ length: worldSize(layout) }, (_, rank) =>
    timesSteps(predictRank(buildTrainingStep(settings, rank)), steps),
  );
  return { settings, stepsDone, predicted };
}

/** The step a checkpoint was saved after. */
function stepOf(checkpoint: string): number {
  const step = readManifest(checkpoint)?.step;
  return typeof step === 'number' ? step : 0;
}

/** Throws what planTraining and runWorld throw, and TRAINING_DIVERGED. */
export async function train(options: TrainOptions): Promise<TrainSummary> {
  const { model, layout } = options;
  const { settings, stepsDone, predicted } = planTraining(options);
  const size = worldSize(layout);
  const job = jobOf(options, settings, stepsDone);
  const trace =
    options.trace === undefined
      ? undefined
      : createTrace(options.trace, { originMicroseconds: (performance.timeOrigin + performance.now()) * 1000 });
  const steps: StepReport[] = [];
  let setupSeconds = 0;
  const results = (await runWorld({
    plan: { ...talkOf(settings), timeoutSeconds: options.timeoutSeconds ?? defaultTimeoutSeconds },
    rankModule: new URL(import.meta.url.endsWith('.ts') ? './rank.ts' : './rank.js', import.meta.url),
    jobs: Array.from({ length: size }, () => job),
    ...(options.pool ? { pool: options.pool } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.recorderDir ? { recorderDir: options.recorderDir } : {}),
    onReport(rank, message) {
      const report = message as TrainReport;
      if (report.kind === 'spans') trace?.add(report.spans);
      if (rank !== 0) return;
      if (report.kind === 'step') steps.push(report);
      if (report.kind === 'ready') setupSeconds = report.setupSeconds;
      options.onReport?.(report);
    },
  }).finally(() => trace?.close())) as RankResult[];
  const diverged = results[0]?.diverged;
  if (diverged) {
    const { step, loss, gradNorm } = diverged;
    fail('TRAINING_DIVERGED', { step, problem: `loss ${loss} and gradient norm ${gradNorm}` });
  }

  // The first step of several warms caches up: rates are those of the others.
  const timed = steps.length > 1 ? steps.slice(1) : steps;
  const seconds = timed.reduce((sum, step) => sum + step.seconds, 0);
  const tokens = timed.length * tokensPerStep(settings);
  const tokensPerSecond = seconds > 0 ? tokens / seconds : 0;
  return {
    steps,
    ranks: results,
    predicted,
    bytesSent: results.map(({ counters }) => bytesOf(counters)),
    setupSeconds,
    tokensPerSecond,
    modelFlopsPerSecond: tokensPerSecond * trainingFlopsPerToken(model.config, options.seqLen),
  };
}

function jobOf(options: TrainOptions, settings: StepSettings, stepsDone: number): TrainJob {
  const { model } = options;
  const weights = options.resume ?? model.weights;
  return {
    settings,
    optimizer: { ...optimizerDefaults(options.learningRate, options.steps), ...options.optimizer },
    seed: options.seed,
    tokenFile: options.tokenFile,
    stepsDone,
    lastStep: options.steps,
    ...(weights === undefined ? {} : { weights }),
    resume: options.resume !== undefined,
    ...(options.out === undefined
      ? {}
      : {
          save: {
            out: options.out,
            every: options.saveEvery ?? 0,
            config: configText(model.config.source, options.precision),
            ...(options.tokenizerPath ? { tokenizerPath: options.tokenizerPath } : {}),
            manifest: {
              layout: printLayout(options.layout),
              precision: options.precision,
              seed: options.seed,
              seqLen: options.seqLen,
              globalBatch: options.globalBatch,
              microBatch: options.microBatch,
              steps: options.steps,
              learningRate: options.learningRate,
            },
          },
        }),
    trace: options.trace !== undefined,
  };
}

/** The model's config.json, naming the type that its weights are saved in, whatever it was trained from. */
function configText(source: Readonly<Record<string, unknown>>, precision: Precision): string {
  const { torch_dtype: _, ...rest } = source;
  return `${JSON.stringify({ ...rest, dtype: precision === 'f64' ? 'float64' : 'float32' }, null, 2)}\n`;
}

/** Bytes alone of the transport's counters; what was never sent is left out, as in predictions. */
export function bytesOf(counters: TrafficCounters): BytesSent {
  const bytes: { [axis: string]: { [op in CollectiveOp]?: number } } = {};
  for (const [axis, ops] of Object.entries(counters)) {
    for (const [op, counted] of Object.entries(ops ?? {})) {
      bytes[axis] ??= {};
      bytes[axis][op as CollectiveOp] = counted.bytes;
    }
  }
  return bytes;
}
