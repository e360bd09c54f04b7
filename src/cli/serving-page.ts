// Writes the page of plan --serve --report.
import type { Loaded, ServingTask } from '../plan/deployments/task.ts';
import { judgeRules } from '../plan/explain/rules.ts';
import { servingCaseOf } from '../plan/explain/serving-case.ts';
import { servingRules } from '../plan/explain/serving-rules.ts';
import { fittedServing } from '../plan/serving/predict-serving.ts';
import { printSpeculation } from '../plan/serving/speculation.ts';
import { type ServingReport, writeServingReport } from '../report/serving-report.ts';
import { refuse } from '../train/refuse.ts';
import { formatSeconds } from '../units.ts';
import { writePageText } from './page.ts';
import type { ServingAsked } from './serving-task.ts';

export interface ServingPage {
  readonly asked: ServingAsked;
  readonly rate: number | undefined;
  readonly found: readonly Loaded[];
  readonly because?: string;
  readonly points: readonly Loaded[];
}

export function writeServingPage(path: string, { asked, rate, found, because, points }: ServingPage): void {
  const problem = found[0]!.prediction.problem;
  if (problem !== undefined) refuse('report', `there is nothing to draw: ${problem}`, 'use a layout that fits');
  const { model, task } = asked;
  const text = writeServingReport({
    title: `serving ${model} on ${task.cluster.name}`,
    asked: askedOf(model, task, rate),
    cluster: task.cluster,
    found,
    ...(because === undefined ? {} : { because }),
    rules: judgeRules(servingRules, servingCaseOf(task, found[0]!.deployment, fittedServing)),
    points,
  });
  writePageText(path, text);
}

/** The names and values of what was asked. */
function askedOf(model: string, task: ServingTask, rate: number | undefined): ServingReport['asked'] {
  const { cluster, formats, lengths, targets, engine, concurrency, speculation } = task;
  return [
    ['model', model],
    ['cluster', `${cluster.name}: ${cluster.devices} × ${cluster.device.title}`],
    ['engine', engine],
    ['weights in', formats.weights],
    ['keys and values in', formats.cache],
    ['tokens of a prompt', `${lengths.inputTokens}`],
    ['tokens of an answer', `${lengths.outputTokens}`],
    ['first token within', formatSeconds(targets.secondsToFirstToken)],
    ['each other token within', formatSeconds(targets.secondsPerOutputToken)],
    ...(concurrency === undefined ? [] : [['requests under way', `${concurrency}`] as const]),
    ...(rate === undefined ? [] : [['requests a second', `${rate}`] as const]),
    ...(speculation ? [['drafted tokens and how often one is right', printSpeculation(speculation)] as const] : []),
  ];
}
