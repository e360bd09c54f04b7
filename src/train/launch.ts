// Runs a planned training on the ranks of this machine and gathers what they report.

import { type AbortSignalLike, stoppedBy } from '../abort-signal.ts';
import { claimOut } from '../checkpoint/claim.ts';
import { openCheckpoint } from '../checkpoint/hf-directory.ts';
import { checkFree } from '../checkpoint/out-directory.ts';
import { committedStep } from '../checkpoint/out-files.ts';
import { FivefoldError, fail } from '../errors.ts';
import { errorCode, reasonOf } from '../files/system-errors.ts';
import { worldSize } from '../mesh/mesh.ts';
import type { CollectiveOp, TrafficCounters } from '../mesh/traffic.ts';
import { trainingFlopsPerToken } from '../model/weights.ts';
import type { BytesSent, RankPrediction } from '../plan/predict-step.ts';
import type { TraceFile } from '../runtime/perfetto.ts';
import { watchResident } from '../runtime/resident-memory.ts';
import { runWorld } from '../runtime/world.ts';
import type { WorldPool } from '../runtime/world-pool.ts';
import { tokensPerStep } from '../step/settings.ts';
import { talkOf } from '../step/talk.ts';
import { type BackgroundSaves, createBackgroundSaves } from './background-saves.ts';
import { rankName } from './clock.ts';
import type { RankResult, StepReport, TrainJob, TrainReport } from './job.ts';
import { jobOf } from './job-of.ts';
import type { RunPlan } from './plan-run.ts';
import { takeOverReference } from './reference.ts';
import { type OnStep, withRestarts } from './restart.ts';
import { evaluationMetrics, metricsOf, openRunDirectory, type RunDirectory } from './run-directory.ts';
import { type TrainSettings, trainDefaults } from './settings.ts';
import { withTrace } from './trace-file.ts';

/** What whoever starts a run hears of it and decides about it. */
export interface TrainHooks {
  /** Rank 0's reports, as they come, and what became of lost ranks. */
  readonly onReport?: (report: TrainReport) => void;
  readonly signal?: AbortSignalLike;
  readonly pool?: WorldPool;
  /** Where a failed run leaves every rank's flight recorder. */
  readonly recorderDir?: string;
}

export interface TrainSummary {
  readonly steps: readonly StepReport[];
  /** From here on: of the ranks that ran last, since the checkpoint from which they went on. */
  readonly ranks: readonly RankResult[];
  /** What was predicted for each rank, for the steps that ran. */
  readonly predicted: readonly RankPrediction[];
  /** By how much resident memory grew; not measured where a pool had threads already. */
  readonly processBytes: { readonly predicted: number; readonly measured?: number };
  /** Bytes sent by each rank, from the transport's counters. */
  readonly bytesSent: readonly BytesSent[];
  readonly setupSeconds: number;
  readonly tokensPerSecond: number;
  readonly modelFlopsPerSecond: number;
}

const ownModule = new URL(import.meta.url.endsWith('.ts') ? './rank.ts' : './rank.js', import.meta.url);

/**
 * Throws what runWorld throws, and TRAINING_DIVERGED. `rankModule`: what the ranks run.
 * @internal The published types need none of Node's.
 */
export async function launch(plan: RunPlan, hooks: TrainHooks, rankModule = ownModule): Promise<TrainSummary> {
  const out = plan.settled.given.out ?? plan.settled.given.resume;
  const claim = out === undefined ? undefined : claimOut(out);
  const saves = createBackgroundSaves();
  try {
    // Another run may have saved here, or where the weights are, while the data were prepared.
    const { given, weights } = plan.settled;
    if (out !== undefined) checkFree(out, given);
    if (weights) openCheckpoint(weights.path, weights.identity).close();
    const token = claim?.token ?? '';
    const { reference } = plan;
    if (reference?.copyFrom !== undefined) takeOverReference(reference.copyFrom, reference.path);
    const steps = new Map<number, StepReport>();
    const run = (trace?: TraceFile) =>
      withRestarts(plan, hooks.onReport, (left, onStep) =>
        runRanks(left, hooks, { claim: token, saves, steps, onStep, rankModule, trace }),
      );
    if (given.trace === undefined) return await run();
    const { layout } = plan.settled;
    const look = {
      rankName: (rank: number) => rankName(layout, rank),
      originMicroseconds: (performance.timeOrigin + performance.now()) * 1000,
    };
    return await withTrace(given.trace, look, run);
  } catch (error) {
    if (!(error instanceof FivefoldError && error.code === 'TRAINING_DIVERGED')) throw error;
    return fail(error.code, { ...error.values, ...savedOf(plan.settled.given) });
  } finally {
    await saves.close();
    claim?.release();
  }
}

/** The directory with the last step that was saved, if any was. */
function savedOf({ out, resume }: TrainSettings): { readonly saved?: string } {
  const saved = [out, resume].find((path) => path !== undefined && committedStep(path) !== undefined);
  return saved === undefined ? {} : { saved };
}

/** What all worlds of a run share. */
interface Shared {
  /** The token of the run's claim to its directory. */
  readonly claim: string;
  readonly saves: BackgroundSaves;
  /** By number; of a step that is done again, the last report. */
  readonly steps: Map<number, StepReport>;
  readonly onStep: OnStep;
  readonly rankModule: URL;
  readonly trace: TraceFile | undefined;
}

async function runRanks(plan: RunPlan, hooks: TrainHooks, shared: Shared): Promise<TrainSummary> {
  const { claim, saves, trace } = shared;
  const { settings, settled, run, stepsDone, predicted } = plan;
  const { given, model, layout } = settled;
  const out = given.out ?? given.resume;
  let directory: RunDirectory | undefined;
  let setupSeconds = 0;
  /** FLOP/s of matrix products, by rank. */
  const rates = new Map<number, number>();
  const timeoutSeconds = given.timeoutSeconds ?? trainDefaults.timeoutSeconds;
  const stop = stoppedBy(hooks.signal);
  let notSaved: Error | undefined;
  const planned = jobOf(plan, claim);
  const snapshots =
    plan.savesBeside && planned.save
      ? saves.forWorld({
          settings,
          save: planned.save,
          timeoutSeconds,
          onSaved: (step) => hooks.onReport?.({ kind: 'saved', step, out: planned.save!.out }),
          onFailure(error) {
            notSaved = error;
            stop.abort(error);
          },
        })
      : undefined;
  const job: TrainJob = { ...planned, ...(snapshots ? { snapshots } : {}) };
  const resident = hooks.pool ? undefined : watchResident();
  const world = runWorld({
    plan: { ...talkOf(settings), timeoutSeconds },
    rankModule: shared.rankModule,
    jobs: Array.from({ length: worldSize(layout) }, () => job),
    ...(hooks.pool ? { pool: hooks.pool } : {}),
    signal: stop.signal,
    ...(hooks.recorderDir ? { recorderDir: hooks.recorderDir } : {}),
    onReport(rank, message) {
      const report = message as TrainReport;
      if (report.kind !== 'spans') resident?.sample();
      if (report.kind === 'copied') saves.copied(report.step);
      if (report.kind === 'step') shared.onStep(rank, report.step);
      if (report.kind === 'spans' && trace) tracing(given, () => trace.add(report.spans));
      if (report.kind === 'ready' && report.matrixFlopsPerSecond) rates.set(rank, report.matrixFlopsPerSecond);
      // The rank that picks tokens has the text.
      if (report.kind === 'sample') {
        directory?.note({ step: report.step, sample: report.text });
        hooks.onReport?.(report);
      }
      if (rank !== 0 || report.kind === 'sample' || report.kind === 'copied') return;
      if (report.kind === 'ready') {
        setupSeconds = report.setupSeconds;
        // Only now is nothing left that could refuse the run.
        if (out !== undefined) directory = openRunDirectory(out, run, stepsDone);
      }
      if (report.kind === 'step') {
        shared.steps.set(report.step, report);
        const metrics = metricsOf(report, {
          tokensPerStep: tokensPerStep(settings),
          flopsPerStep: plan.flopsPerStep,
          matrixFlopsPerSecond:
            rates.size === worldSize(layout) ? [...rates.values()].reduce((a, b) => a + b) : undefined,
        });
        directory?.note(metrics);
      }
      if (report.kind === 'evaluation') directory?.note(evaluationMetrics(report));
      hooks.onReport?.(report);
    },
  });
  const results = (await world.finally(async () => {
    // What all ranks have copied becomes a checkpoint, however their world ended.
    await saves.settled();
    stop.release();
    directory?.close();
    if (notSaved) throw notSaved;
  })) as RankResult[];
  if (trace) tracing(given, () => trace.close());
  const diverged = results[0]?.diverged;
  if (diverged) {
    const { step, loss, gradNorm } = diverged;
    fail('TRAINING_DIVERGED', { step, problem: `loss ${loss} and gradient norm ${gradNorm}` });
  }

  const steps = [...shared.steps.values()];
  // The first step of several warms caches up: rates are those of the others.
  const timed = steps.length > 1 ? steps.slice(1) : steps;
  const seconds = timed.reduce((sum, step) => sum + step.seconds, 0);
  const tokens = timed.length * tokensPerStep(settings);
  const tokensPerSecond = seconds > 0 ? tokens / seconds : 0;
  return {
    steps,
    ranks: results,
    predicted,
    processBytes: { predicted: plan.processBytes, ...(resident ? { measured: resident.growth() } : {}) },
    bytesSent: results.map(({ counters }) => bytesSentOf(counters)),
    setupSeconds,
    tokensPerSecond,
    modelFlopsPerSecond: tokensPerSecond * trainingFlopsPerToken(model.config, settings.seqLen),
  };
}

/** Writes on the trace. What the system refuses ends with TRACE_FAILED. */
function tracing(given: TrainSettings, write: () => void): void {
  try {
    write();
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    fail('TRACE_FAILED', { path: given.trace, problem: reasonOf(code), ...savedOf(given) });
  }
}

/** Bytes alone of the transport's counters; what was never sent is left out, as in predictions. */
export function bytesSentOf(counters: TrafficCounters): BytesSent {
  const bytes: { [axis: string]: { [op in CollectiveOp]?: number } } = {};
  for (const [axis, ops] of Object.entries(counters)) {
    for (const [op, counted] of Object.entries(ops ?? {})) {
      bytes[axis] ??= {};
      bytes[axis][op as CollectiveOp] = counted.bytes;
    }
  }
  return bytes;
}
