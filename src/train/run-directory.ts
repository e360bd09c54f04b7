// What a run leaves in its directory beside the checkpoints: its settings (run.json) and its figures (metrics.jsonl).
import { closeSync, existsSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../checkpoint/files.ts';
import { saving, writingTo } from '../checkpoint/out-files.ts';
import { fail } from '../errors.ts';
import { type Refusal, readWhole } from '../files/regular-file.ts';
import type { EvaluationReport, StepReport } from './job.ts';
import { defaultWarmup } from './optimizer.ts';
import { withAbsolutePaths } from './run-paths.ts';
import type { RunSettings, TrainSettings } from './settings.ts';

export const settingsName = 'run.json';
export const metricsName = 'metrics.jsonl';

/** A line of metrics.jsonl. */
export type Metrics = Readonly<Record<string, number | string>> & { readonly step: number };

export interface MetricRates {
  readonly tokensPerStep: number;
  /** Matrix FLOPs of all ranks. */
  readonly flopsPerStep: number;
  /** Of all ranks together, in bare matrix products; undefined: not all have said theirs yet. */
  readonly matrixFlopsPerSecond: number | undefined;
}

/** The figures of a step. `matrixShare`: of the machine's measured matrix rate. */
export const metricsOf = (
  { step, loss, gradNorm, figures, learningRate, seconds, communicationSeconds }: StepReport,
  { tokensPerStep, flopsPerStep, matrixFlopsPerSecond }: MetricRates,
): Metrics => ({
  step,
  loss,
  gradNorm,
  ...figures,
  learningRate,
  tokens: step * tokensPerStep,
  seconds,
  tokensPerSecond: tokensPerStep / seconds,
  communicationShare: communicationSeconds / seconds,
  ...(matrixFlopsPerSecond ? { matrixShare: flopsPerStep / seconds / matrixFlopsPerSecond } : {}),
});

/** The loss of tokens has a perplexity; that of pairs has figures, under `eval/` and their names. */
export const evaluationMetrics = ({ step, loss, figures }: EvaluationReport): Metrics =>
  figures
    ? {
        step,
        evalLoss: loss,
        ...Object.fromEntries(Object.entries(figures).map(([name, value]) => [`eval/${name}`, value])),
      }
    : { step, evalLoss: loss, perplexity: Math.exp(loss) };

export interface RunDirectory {
  /** Appends a line. @throws SAVE_FAILED */
  note(metrics: Metrics): void;
  close(): void;
}

/**
 * Checks that what `out` holds under these two names are the settings and figures of a run, which may be replaced.
 * @throws OUT_UNWRITABLE
 */
export function checkRunFiles(out: string): void {
  for (const [name, isOurs] of [
    [settingsName, isSettings],
    [metricsName, isMetrics],
  ] as const) {
    const path = join(out, name);
    if (!existsSync(path)) continue;
    const refuse = (problem: string): never => fail('OUT_UNWRITABLE', { path: out, problem: `${path} ${problem}` });
    const bytes = readWhole(path, mostMetricsBytes, ({ problem }) => refuse(`cannot be read: ${problem}`));
    if (!isOurs(bytes.toString())) refuse('is of something else and would be replaced');
  }
}

function isSettings(text: string): boolean {
  const { model, layout, globalBatch } = (parsed(text) ?? {}) as Readonly<Record<string, unknown>>;
  return typeof model === 'string' && typeof layout === 'string' && typeof globalBatch === 'number';
}

/** Every line begins like this, one that was cut too. */
const isMetrics = (text: string): boolean => text === '' || text.startsWith('{"step":');

/**
 * Writes run.json, which `--config` and `train()` take, and opens metrics.jsonl. Figures of steps after `stepsDone`, which the
 * run gone on with did not save, are dropped.
 * @throws OUT_UNWRITABLE
 */
export function openRunDirectory(out: string, run: RunSettings, stepsDone: number): RunDirectory {
  return writingTo(out, () => {
    mkdirSync(out, { recursive: true });
    replaceFile(join(out, settingsName), `${JSON.stringify(reusable(run), undefined, 2)}\n`);
    const path = join(out, metricsName);
    replaceFile(path, linesUntil(path, stepsDone));
    const file = openSync(path, 'a');
    return {
      note: (metrics) => saving(out, metrics.step, () => void writeSync(file, `${JSON.stringify(metrics)}\n`)),
      close: () => closeSync(file),
    };
  });
}

/**
 * The settings for another run: with paths that mean the same from any folder, and without those of the schedule that follow from the
 * steps, so that a run of other steps has its own.
 */
function reusable(run: RunSettings): TrainSettings {
  const { steps, decaySteps, warmupSteps, ...rest } = withAbsolutePaths(run);
  return {
    ...rest,
    steps,
    ...(decaySteps === steps ? {} : { decaySteps }),
    ...(warmupSteps === defaultWarmup(decaySteps) ? {} : { warmupSteps }),
  };
}

/** A million steps. */
const mostMetricsBytes = 1 << 28;

function linesUntil(path: string, step: number): string {
  if (step === 0 || !existsSync(path)) return '';
  const refuse = ({ problem }: Refusal): never => fail('OUT_UNWRITABLE', { path, problem });
  const text = readWhole(path, mostMetricsBytes, refuse).toString();
  const lines = text.split('\n').filter((line) => line !== '' && stepOf(line) <= step);
  return lines.map((line) => `${line}\n`).join('');
}

/** The last line of a run that was killed may be cut. */
function stepOf(line: string): number {
  const { step } = (parsed(line) ?? {}) as { step?: unknown };
  return typeof step === 'number' ? step : Number.POSITIVE_INFINITY;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
