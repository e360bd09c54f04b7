// `fivefold explain` of a plan of serving: as one JSON object, or as bars, tables and short sentences.
import { printDeployment } from '../plan/deployments/deployment-text.ts';
import { type DeviceCause, deviceCauses } from '../plan/deployments/explain.ts';
import type { Loaded, ServingTask } from '../plan/deployments/task.ts';
import {
  type ExplainingServing,
  explainServing,
  type ServingExplanation,
  type ServingRival,
} from '../plan/explain/explain-serving.ts';
import { bestDeployments } from '../plan/explain/serving-question.ts';
import type { ServingAnswer } from '../plan/explain/serving-what-if.ts';
import { fittedServing } from '../plan/serving/predict-serving.ts';
import { deviceCauseNames } from '../report/serving-parts.ts';
import { refuse } from '../train/refuse.ts';
import { formatPercent, formatSeconds } from '../units.ts';
import type { AskedOption } from './asked.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import type { OptionValues } from './options.ts';
import type { PlanLines } from './plan-lines.ts';
import { deploymentsText, endedAs, endedDeployments } from './searching.ts';
import { type ReadServingPlan, readServingPlan } from './serving-plan-file.ts';
import { type Shown, servingJson, showServing } from './serving-prediction.ts';
import { loadLimits } from './serving-report.ts';
import { readServing, type ServingOption, servingObjectiveOf } from './serving-task.ts';
import { paint, wantsColour } from './ui/colour.ts';
import { formatTable } from './ui/table.ts';
import { columnsOf } from './ui/wrap.ts';

/** What plan found. @throws what readServingPlan does */
export const explainServingPlan = (lines: PlanLines, io: CliIo, quiet: boolean): Promise<void> =>
  explainServed(readServingPlan(lines), io, quiet);

/** The best, looked for first. @throws OPTION_INVALID where none keeps the targets, and what readServing does */
export async function explainServingAsked(
  values: OptionValues<AskedOption | ServingOption | 'least' | 'json'>,
  io: CliIo,
): Promise<void> {
  const asked = readServing(values);
  const { rate } = values;
  const question = {
    objective: servingObjectiveOf(values.least),
    ...(rate === undefined ? {} : { requestsPerSecond: rate }),
  };
  const quiet = values.json === true;
  const search = bestDeployments(asked.task, fittedServing, question, 2);
  const found = await endedDeployments(search, io, quiet);
  if (found.length === 0)
    refuse(
      'serve',
      `nothing on ${asked.task.cluster.name} has room and keeps the targets`,
      'see what fivefold plan says of it',
    );
  return explainServed({ asked, question, found }, io, quiet);
}

async function explainServed({ asked, question, found }: ReadServingPlan, io: CliIo, quiet: boolean): Promise<void> {
  const { model, task } = asked;
  const searching = explainServing(task, found, fittedServing, question);
  const explanation = await endedAs(searching, io, quiet, explainingText);
  if (quiet) return writeJson(io.stdout, servingExplanationJson(task, explanation));
  const style = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  writeLine(io.stdout, showServingExplanation(model, task, explanation, style));
}

const explainingText = ({ doing, searching }: ExplainingServing): string =>
  `explaining: ${doing}: ${deploymentsText(searching)}`;

function servingExplanationJson(task: ServingTask, explanation: ServingExplanation) {
  const { loaded, shortage, deviceSeconds, limit, rival, answers, rules } = explanation;
  return {
    ...servingJson(task, loaded),
    ...shortage,
    deviceSeconds,
    limit: limit ?? null,
    ...(rival ? { rival: { ...servingJson(task, rival), more: rival.more, differences: rival.differences } } : {}),
    answers: answers.map(({ change, best, now, stays }) => ({
      change: change.name,
      stays,
      best: best ? servingJson(change.task, best) : null,
      now: now ? servingJson(change.task, now) : null,
    })),
    rules,
  };
}

function showServingExplanation(
  model: string,
  task: ServingTask,
  explanation: ServingExplanation,
  style: Shown,
): string {
  const { loaded, shortage, limit, rival, answers, rules } = explanation;
  const { bottleneck, cause, share } = shortage;
  const section = (title: string, content: string) => [paint(title, 'bold', style.colour), content].join('\n');
  const more =
    limit === undefined ? '' : `\nWith ${Math.round(loaded.concurrency)} requests under way, ${loadLimits[limit]}.`;
  return [
    showServing(model, task, loaded, style),
    `Bound by ${bottleneck}: ${formatPercent(share)} of the devices' time goes into ${causeText(cause, loaded)}.${more}`,
    rival ? section('Why it is the best', versus(explanation, rival, style)) : 'No other deployment keeps the targets.',
    section('If it were otherwise', answerTable(answers, style)),
    ...(rules.length > 0 ? [section('Rules of thumb', rules.map(ruleText).join('\n'))] : []),
  ].join('\n\n');
}

const ruleText = ({ rule, follows, because }: ServingExplanation['rules'][number]): string =>
  `${follows ? 'follows' : 'breaks '}  ${rule}: ${because}`;

/** Products of one request that take as long as those of many are the reading of weights. */
const causeText = (cause: DeviceCause, { prediction: { bottleneck } }: Loaded): string =>
  cause === 'products' && bottleneck === 'weights'
    ? 'matrix products that mostly read weights: for one request alone they take more than half as long'
    : deviceCauseNames[cause];

/** Term by term. */
function versus({ deviceSeconds }: ServingExplanation, rival: ServingRival, { colour, columns }: Shown): string {
  const { more, differences, prediction } = rival;
  const said =
    Math.abs(more) < tellable
      ? 'gives as many tokens a second'
      : `gives ${formatPercent(Math.abs(more))} ${more < 0 ? 'fewer' : 'more'} tokens a second and GPU`;
  const token = formatSeconds(prediction.secondsPerOutputToken.mean);
  const first = `The runner-up, ${printDeployment(rival.deployment)} on ${prediction.devices} GPUs, ${said}, one of a request every ${token}.`;
  const rows = deviceCauses.map((cause) => {
    const seconds = differences.find((each) => each.cause === cause)!.seconds;
    return [
      deviceCauseNames[cause],
      formatSeconds(deviceSeconds[cause]),
      formatSeconds(deviceSeconds[cause] + seconds),
      `${seconds < 0 ? '-' : '+'}${formatSeconds(Math.abs(seconds))}`,
    ];
  });
  const head = ["devices' time of a token", 'this', 'runner-up', 'more'];
  return `${first}\n${formatTable({ head, rows, align: ['left', 'right', 'right', 'right'], colour, columns })}`;
}

/** Less of a difference is none. */
const tellable = 0.0005;

const answerTable = (answers: readonly ServingAnswer[], { colour, columns }: Shown): string =>
  formatTable({
    head: ['with', 'the best', 'GPUs', 'requests/s', 'token', 'this one'],
    rows: answers.map(({ change, best, now, stays }) => {
      if (!best) return [change.name, 'nothing keeps the targets', '', '', '', ''];
      const { devices, requestsPerSecond, secondsPerOutputToken } = (stays && now ? now : best).prediction;
      const own = now
        ? `${now.prediction.requestsPerSecond.toPrecision(3)} requests/s on ${now.prediction.devices} GPUs`
        : 'has no room or misses a target';
      return [
        change.name,
        stays ? 'stays' : printDeployment(best.deployment),
        devices,
        requestsPerSecond.toPrecision(3),
        formatSeconds(secondsPerOutputToken.mean),
        stays ? '' : own,
      ];
    }),
    align: ['left', 'left', 'right', 'right', 'right', 'left'],
    colour,
    columns,
  });
