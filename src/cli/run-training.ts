// Runs a training with its progress shown, and leaves things in order however it ends.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from '../checkpoint/commit.ts';
import { FivefoldError } from '../errors.ts';
import { trainingFlopsPerToken } from '../model/config.ts';
import { sweepBeside, temporaryBeside } from '../temporary.ts';
import type { StepReport } from '../train/job.ts';
import { type TrainOptions, type TrainSummary, train } from '../train/train.ts';
import { type CliIo, quoted, Stopped, writeLine } from './io.ts';
import { temporaryRecorders } from './temporary.ts';
import { createProgress, type Progress } from './ui/progress.ts';

export interface RunTraining {
  readonly options: TrainOptions;
  readonly stepsDone: number;
  /** No progress bar. */
  readonly quiet: boolean;
  /** Shown above the bar, once the ranks are ready: until then the run may be refused. */
  readonly introduction?: string;
  /** The files to name in a command that goes on with the run. */
  readonly data: readonly string[];
  readonly onStep?: (report: StepReport) => void;
}

/** Steps whose speed the bar shows together. */
const recentSteps = 16;

/** Like `train`; a stop by the user is thrown as {@link Stopped}, saying how to go on. */
export async function runTraining(run: RunTraining, io: CliIo): Promise<TrainSummary> {
  const { options, stepsDone, quiet } = run;
  const { seqLen, globalBatch, steps, model, out, trace } = options;
  const recorderDir = out === undefined ? temporaryRecorders() : join(out, 'flight-recorders');
  const oldRecorders = existsSync(recorderDir);
  // Takes its name when the run has not been refused, so that a refused run replaces nothing.
  const traceFile = trace === undefined ? undefined : temporaryBeside(trace);
  if (trace !== undefined) sweepBeside(trace);
  let progress: Progress | undefined;
  const recent: number[] = [];
  let refused = false;
  try {
    return await train({
      ...options,
      signal: io.signal,
      recorderDir,
      ...(traceFile === undefined ? {} : { trace: traceFile }),
      onReport(report) {
        options.onReport?.(report);
        if (report.kind === 'ready' && !quiet) {
          if (run.introduction !== undefined) writeLine(io.stderr, run.introduction);
          progress = createProgress({ total: steps, from: stepsDone, stream: io.stderr });
        }
        if (report.kind === 'saved' && report.step < steps)
          progress?.note(`saved step ${report.step} in ${report.out}`);
        if (report.kind !== 'step') return;
        run.onStep?.(report);
        recent.push(report.seconds);
        if (recent.length > recentSteps) recent.shift();
        const tokensPerSecond = (seqLen * globalBatch * recent.length) / recent.reduce((sum, each) => sum + each, 0);
        progress?.update({
          step: report.step,
          loss: report.loss,
          tokensPerSecond,
          flopsPerSecond: tokensPerSecond * trainingFlopsPerToken(model.config, seqLen),
        });
      },
    });
  } catch (error) {
    refused = error instanceof FivefoldError && error.exit === 2;
    // They are for errors between ranks, which name them; a run that was stopped or diverged has not failed like that.
    const named = error instanceof Error && error.message.includes(recorderDir);
    if (!named && !oldRecorders) rmSync(recorderDir, { recursive: true, force: true });
    if (!io.signal.aborted) throw error;
    const { signal } = io.signal.reason as Stopped;
    throw new Stopped(signal, howToGoOn(run, io));
  } finally {
    progress?.stop();
    if (traceFile !== undefined && trace !== undefined && existsSync(traceFile)) {
      if (refused) rmSync(traceFile);
      else renameSync(traceFile, trace);
    }
  }
}

function howToGoOn({ options: { out, resume, saveEvery }, data }: RunTraining, { program }: CliIo): string {
  const saved = [out, resume].find((path) => path !== undefined && stepIn(path) !== undefined);
  if (saved !== undefined) {
    const files = data.length > 3 ? '<the same files>' : data.map(quoted).join(' ');
    const command = `${program} train --resume ${quoted(saved)} --data ${files}`;
    return `the last checkpoint, step ${stepIn(saved)}, is in ${saved}; go on with: ${command}`;
  }
  const fix = saveEvery === undefined ? `; --save-every${out === undefined ? ' with --out' : ''} saves on the way` : '';
  return `no checkpoint was saved yet${fix}`;
}

function stepIn(path: string): number | undefined {
  const step = existsSync(path) ? readManifest(path)?.step : undefined;
  return typeof step === 'number' ? step : undefined;
}
