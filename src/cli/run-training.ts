// Runs a training with its progress shown, and leaves things in order however it ends.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from '../checkpoint/commit.ts';
import { skippedText } from '../data/skipped.ts';
import { spelled } from '../errors.ts';
import { temporaryRecorders } from '../files/temporary.ts';
import { printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { matrixWeights, trainingFlopsPerToken, weightsOfToken } from '../model/weights.ts';
import { tokensPerStep } from '../step/settings.ts';
import type { EvaluationReport, Figures, RestartReport, SampleReport, StepReport } from '../train/job.ts';
import type { TrainSummary } from '../train/launch.ts';
import type { RunPlan } from '../train/plan-run.ts';
import { type TrainOptions, train } from '../train/train.ts';
import { formatCount, formatPercent } from '../units.ts';
import { type CliIo, quoted, Stopped, throwIfStopped, writeLine } from './io.ts';
import { flagOf } from './options.ts';
import { layoutText, readingText, showPreparing } from './preparing.ts';
import { createProgress, type Progress } from './ui/progress.ts';

export interface RunTraining {
  readonly options: TrainOptions;
  /** No progress bar. */
  readonly quiet: boolean;
  /** Says what is about to run above the bar, once the ranks are ready: until then the run may be refused. */
  readonly introduce: boolean;
  readonly onSample?: (report: SampleReport) => void;
  readonly onRestart?: (report: RestartReport) => void;
  readonly onEvaluation?: (report: EvaluationReport) => void;
  readonly onStep?: (report: StepReport, plan: RunPlan) => void;
}

/** Steps whose speed the bar shows together. */
const recentSteps = 16;

/** Like `train`; a stop by the user is thrown as {@link Stopped}, saying how to go on. */
export async function runTraining(run: RunTraining, io: CliIo): Promise<{ summary: TrainSummary; plan: RunPlan }> {
  const { options, quiet, introduce } = run;
  const out = options.out ?? options.resume;
  const recorderDir = out === undefined ? temporaryRecorders() : join(out, 'flight-recorders');
  const oldRecorders = existsSync(recorderDir);
  const preparing = showPreparing(quiet, io);
  let plan: RunPlan | undefined;
  let progress: Progress | undefined;
  /** The step of the checkpoint from which the run went on last, once a rank was lost. */
  let from: number | undefined;
  let introduced = false;
  const recent: number[] = [];
  try {
    const summary = await train({
      ...options,
      signal: io.signal,
      recorderDir,
      onPrepare: (progress) => preparing.show(readingText(progress)),
      onLayOut: (progress) => preparing.show(layoutText(progress)),
      onPlan(planned) {
        preparing.end();
        throwIfStopped(io);
        plan = planned;
      },
      onReport(report) {
        options.onReport?.(report);
        if (!plan) return;
        const { steps } = plan.run;
        // A checkpoint has its reference beside it.
        const passes = from ? 0 : (plan.reference?.passes ?? 0);
        if (report.kind === 'restart') {
          run.onRestart?.(report);
          from = report.step;
          recent.length = 0;
          progress?.stop();
          progress = undefined;
          if (!quiet) writeLine(io.stderr, restartText(report));
        }
        if (report.kind === 'ready') {
          if (introduce && !introduced)
            for (const line of [...(quiet ? [] : introduction(plan)), ...remarks(plan)]) writeLine(io.stderr, line);
          introduced = true;
        }
        if (report.kind === 'ready' && passes > 0 && !quiet)
          progress = createProgress({ total: passes, label: 'reference', stream: io.stderr });
        if (report.kind === 'reference') {
          progress?.update({ step: report.done });
          if (report.done === passes) progress?.stop();
        }
        if ((passes > 0 ? report.kind === 'reference' && report.done === passes : report.kind === 'ready') && !quiet)
          progress = createProgress({ total: steps, from: from ?? plan.stepsDone, stream: io.stderr });
        if (report.kind === 'evaluation') {
          run.onEvaluation?.(report);
          progress?.note(evaluationText(report));
        }
        if (report.kind === 'sample') {
          run.onSample?.(report);
          progress?.note(`step ${report.step}: ${JSON.stringify(plan.run.samplePrompt + report.text)}`);
        }
        if (report.kind === 'saved' && report.step < steps)
          progress?.note(`saved step ${report.step} in ${report.out}`);
        if (report.kind === 'saveWaits')
          progress?.note(`step ${report.step} waits to be saved: the checkpoint before it is still being written`);
        if (report.kind !== 'step') return;
        run.onStep?.(report, plan);
        recent.push(report.seconds);
        if (recent.length > recentSteps) recent.shift();
        const tokens = tokensPerStep(plan.settings) * recent.length;
        const tokensPerSecond = tokens / recent.reduce((sum, each) => sum + each, 0);
        progress?.update({
          step: report.step,
          loss: report.loss,
          ...(report.figures ? { told: figureTexts(report.figures) } : {}),
          tokensPerSecond,
          flopsPerSecond: tokensPerSecond * trainingFlopsPerToken(plan.settings.config, plan.settings.seqLen),
        });
      },
    });
    return { summary, plan: plan! };
  } catch (error) {
    // They are for errors between ranks, which name them; a run that was stopped or diverged has not failed like that.
    const named = error instanceof Error && error.message.includes(recorderDir);
    if (!named && !oldRecorders && existsSync(recorderDir)) rmSync(recorderDir, { recursive: true, force: true });
    if (!io.signal.aborted) throw error;
    const { signal } = io.signal.reason as Stopped;
    throw new Stopped(signal, howToGoOn(options, io));
  } finally {
    preparing.end();
    progress?.stop();
  }
}

/** What people look at first: of a preference how often the better completion wins and by how much, of a mixture how uneven it is. */
function figureTexts(figures: Figures): string[] {
  const text = (name: string) => figures[name]!.toPrecision(3);
  return [
    ...('rewards/margins' in figures
      ? [
          `accuracy ${formatPercent(figures['rewards/accuracies']!)}`,
          `margin ${text('rewards/margins')}`,
          `rewards ${text('rewards/chosen')} and ${text('rewards/rejected')}`,
        ]
      : []),
    ...('imbalance' in figures ? [`busiest expert ${text('imbalance')}x`] : []),
  ];
}

function evaluationText({ step, loss, figures }: EvaluationReport): string {
  const told = figures ? figureTexts(figures) : [`perplexity ${Math.exp(loss).toPrecision(4)}`];
  return [`step ${step}: held-out loss ${loss.toFixed(4)}`, ...told].join(', ');
}

/** What is about to run. */
export function introduction({ settled, settings, run, tokens, sequences, seen }: RunPlan): string[] {
  const { config, layout, seqLen } = settings;
  const ranks = worldSize(layout);
  const all = tokens.sources.reduce((sum, stream) => sum + stream.tokens, 0);
  return [
    [
      `${config.family}, ${formatCount(matrixWeights(config))} matrix weights${config.mixture ? `, ${formatCount(weightsOfToken(config))} a token` : ''}`,
      `${ranks} rank${ranks > 1 ? 's' : ''} (${printLayout(layout)})`,
      `${run.globalBatch} × ${seqLen} tokens a step`,
      run.precision,
    ].join('; '),
    ...optionalLine(settled.because && spelled(settled.because, flagOf)),
    `${formatCount(all)} tokens of data, ${formatCount(sequences)} sequences: seen ${seen.map(timesText).join(' and ')} times in ${run.steps} steps`,
  ];
}

/** What became of a lost rank. */
export function restartText({ rank, problem, step, layout, givenUp, left }: RestartReport): string {
  const who = rank === undefined ? 'ranks waited for one another' : `rank ${rank} was lost`;
  const end = givenUp ? `, for the second time without a step of progress, and is given up` : '';
  const where = step === 0 ? 'from the start' : `from step ${step}`;
  const how = givenUp ? ` with --layout ${layout}` : '';
  return `${who} (${problem})${end}; going on ${where}${how}, ${left} restart${left === 1 ? '' : 's'} left`;
}

/** What a script should hear of too: files that were left out, and what is not as it may seem. */
const remarks = ({ tokens, notes }: RunPlan): string[] => [
  ...optionalLine(skippedText(tokens.skipped)),
  ...notes.map((note) => spelled(note, flagOf)),
];

const optionalLine = (line: string | undefined): string[] => (line === undefined ? [] : [line]);

const timesText = (times: number): string => `${times < 10 ? times.toPrecision(2) : Math.round(times)}`;

function howToGoOn({ out, resume, saveEvery }: TrainOptions, { program }: CliIo): string {
  const saved = [out, resume].find((path) => path !== undefined && stepIn(path) !== undefined);
  if (saved !== undefined) {
    const command = `${program} train --resume ${quoted(saved)}`;
    return `the last checkpoint, step ${stepIn(saved)}, is in ${saved}; go on with: ${command}`;
  }
  const fix = saveEvery === undefined ? `; --save-every${out === undefined ? ' with --out' : ''} saves on the way` : '';
  return `no checkpoint was saved yet${fix}`;
}

function stepIn(path: string): number | undefined {
  const step = existsSync(path) ? readManifest(path)?.step : undefined;
  return typeof step === 'number' ? step : undefined;
}
