// The command that says why a layout is what it is: `fivefold explain`.
import type { Command } from 'commander';
import { printLayout } from '../mesh/layout.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { type Explaining, type ExplainOptions, explainLayout } from '../plan/explain/explain.ts';
import type { Judged } from '../plan/explain/judged.ts';
import { searchLayouts } from '../plan/search/search.ts';
import { predictTraining } from '../plan/training/predict-training.ts';
import { refuse } from '../train/refuse.ts';
import { formatPercent, formatSeconds } from '../units.ts';
import { type Asked, type AskedOption, askedOptions, objectiveOf, readAsked, taskOf } from './asked.ts';
import { askedScenario } from './asked-layout.ts';
import { explainServingAsked, explainServingPlan } from './explain-serving.ts';
import { explanationJson } from './explanation-json.ts';
import { showExplanation } from './explanation-report.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import { refuseNothingFits } from './nothing-fits.ts';
import { addOptions, flagOf, type OptionName, type OptionValues } from './options.ts';
import { readPlan } from './plan-file.ts';
import { type PlanLines, readPlanLines } from './plan-lines.ts';
import { plannedOf } from './planned.ts';
import { ended, endedAs } from './searching.ts';
import { type ServingOption, servingOptions } from './serving-task.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

type ExplainOption =
  | AskedOption
  | ServingOption
  | 'train'
  | 'serve'
  | 'layout'
  | 'offload'
  | 'microBatch'
  | 'least'
  | 'json'
  | 'debug';

export function addExplain(program: Command, io: CliIo): void {
  const command = program
    .command('explain')
    .description('say where the seconds and bytes of a layout go, and why it is better than others')
    .argument('[plan]', 'what plan --json has written; its best layout is explained');
  const read = addOptions(command, {
    ...askedOptions,
    train: 'unless --serve is given',
    serve: 'the best deployment',
    globalBatch: 'a sequence a device, with --layout a microbatch a replica',
    layout: 'the best',
    offload: 'of the best what it needs, of a layout none',
    microBatch: '1',
    ...servingOptions,
    least: 'time; of serving throughput',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold plan --model llama-3.1-8b --cluster 8xh100 --train --json > plan.json && fivefold explain plan.json
  $ fivefold plan --model llama-3.1-70b --cluster 16xh100 --serve --precision fp8 --json > plan.json && fivefold explain plan.json
  $ fivefold explain --model llama-3.1-70b --cluster 8xh100 --serve --precision fp8 --tpot 30ms
  $ fivefold explain --model llama-3.1-70b --cluster 64xh100 --layout tp=8,pp=2,dp=4,sp,zero=1 --seq-len 8192 --global-batch 128

With --json, one line: predict's fields, "layout", "microBatch", "bottleneck", "because", "isBest", "rival" (the best other layout), "alternatives" (each
changed in one respect), "answers" (what is best if links, batch or memory were twice or half of what they are), "shapes" (sizes of the model that
would do better), and "rules" (of thumb, that it follows or breaks). Of serving: plan's fields of it, "bottleneck", "cause" and its "share" of the devices'
time, "deviceSeconds" (of all devices, for an output token), "limit" (why no more requests are under way), "rival", "answers" (links, memory, targets), "rules".`,
  );
  command.action((path: string | undefined) => runExplain(path, read(), io));
}

interface Explained extends ExplainOptions {
  readonly asked: Asked;
  readonly base: Judged;
}

async function runExplain(path: string | undefined, values: OptionValues<ExplainOption>, io: CliIo): Promise<void> {
  const quiet = values.json === true;
  const lines = path === undefined ? undefined : planLines(path, values);
  if (lines?.isServing) return explainServingPlan(lines, io, quiet);
  if (lines === undefined && plannedOf(values) === 'serving') {
    if (values.layout !== undefined)
      refuse(
        'layout',
        'of serving the best is explained',
        'leave it out, or give what plan --serve --json has written',
      );
    return explainServingAsked(values, io);
  }
  const { asked, base, ...given } = lines === undefined ? await fromOptions(values, io) : fromPlan(lines);
  const explanation = await endedAs(explainLayout(base, fittedCosts, given), io, quiet, explainingText);
  if (quiet) {
    writeJson(io.stdout, { software: asked.software.name, ...explanationJson(explanation) });
    return;
  }
  const style = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  writeLine(io.stdout, showExplanation(asked, explanation, style));
}

function planLines(path: string, values: OptionValues<ExplainOption>): PlanLines {
  const ofQuestion = [askedOptions, servingOptions].flatMap(Object.keys);
  const given = ([...ofQuestion, 'train', 'serve', 'layout', 'offload', 'microBatch', 'least'] as OptionName[]).find(
    (name) => values[name as ExplainOption] !== undefined,
  );
  if (given) refuse(given, 'what was asked stands in the plan', `leave ${flagOf(given)} out, or the plan`);
  return readPlanLines(path);
}

function fromPlan(lines: PlanLines): Explained {
  const { asked, objective, layouts } = readPlan(lines);
  const found = layouts.map(({ scenario, stepSeconds }) => {
    const prediction = predictTraining(scenario, fittedCosts);
    if (Math.abs(prediction.stepSeconds / stepSeconds - 1) > 1e-9)
      lines.invalid(
        `its ${printLayout(scenario.layout)} takes ${formatSeconds(stepSeconds)}, and is predicted to take ${formatSeconds(prediction.stepSeconds)} by this version`,
        'run plan --json again',
      );
    return { scenario, prediction };
  });
  return { asked, objective, base: found[0]!, ...offloadOf(asked), ...(found.length > 1 ? { found } : {}) };
}

/** What was said of it. */
const offloadOf = ({ offload }: Asked): Pick<ExplainOptions, 'offload'> => (offload ? { offload } : {});

async function fromOptions(values: OptionValues<ExplainOption>, io: CliIo): Promise<Explained> {
  const asked = readAsked(values);
  const objective = objectiveOf(values.least);
  const layout = values.layout as string | undefined;
  if (layout !== undefined && layout !== 'auto') {
    const scenario = askedScenario(asked, layout, values.microBatch ?? 1);
    return { asked, objective, base: { scenario, prediction: predictTraining(scenario, fittedCosts) } };
  }
  const task = taskOf(asked, asked.globalBatch ?? asked.cluster.devices);
  const { found } = await ended(searchLayouts(task, fittedCosts, { objective, top: 2 }), io, values.json === true);
  if (found.length === 0) refuseNothingFits(task, fittedCosts);
  return { asked, objective, base: found[0]!, found, ...offloadOf(asked) };
}

const explainingText = ({ doing, searching }: Explaining): string =>
  `explaining: ${doing}${searching ? `: ${formatPercent(searching.looked / searching.grids)} of ${searching.grids} grids looked at` : ''}`;
