// The command that says why a layout is what it is: `fivefold explain`.
import { setImmediate } from 'node:timers/promises';
import type { Command } from 'commander';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { type Explaining, type Explanation, explainLayout } from '../plan/explain/explain.ts';
import type { Judged } from '../plan/explain/judged.ts';
import { searchLayouts } from '../plan/search/search.ts';
import { predictTraining } from '../plan/training/predict-training.ts';
import { refuse } from '../train/refuse.ts';
import { formatPercent } from '../units.ts';
import { type AskedOption, askedOptions, readAsked, taskOf } from './asked.ts';
import { askedScenario } from './asked-layout.ts';
import { explanationJson } from './explanation-json.ts';
import { showExplanation } from './explanation-report.ts';
import { type CliIo, throwIfStopped, writeJson, writeLine } from './io.ts';
import { refuseNothingFits } from './nothing-fits.ts';
import { addOptions, flagOf, type OptionName, type OptionValues } from './options.ts';
import { readPlan } from './plan-file.ts';
import { showPreparing } from './preparing.ts';
import { ended } from './searching.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

const defaults = { least: 'time' } as const;

type ExplainOption = AskedOption | 'layout' | 'microBatch' | 'least' | 'json' | 'debug';

export function addExplain(program: Command, io: CliIo): void {
  const command = program
    .command('explain')
    .description('say where the seconds and bytes of a layout go, and why it is better than others')
    .argument('[plan]', 'what plan --json has written; its best layout is explained');
  const read = addOptions(command, {
    ...askedOptions,
    globalBatch: 'a sequence a device, with --layout a microbatch a replica',
    layout: 'the best',
    microBatch: '1',
    least: defaults.least,
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold plan --model llama-3.1-8b --cluster 8xh100 --train --json > plan.json && fivefold explain plan.json
  $ fivefold explain --model llama-3.1-70b --cluster 64xh100 --layout tp=8,pp=2,dp=4,sp,zero=1 --seq-len 8192 --global-batch 128

With --json, one line: predict's fields, "layout", "microBatch", "bottleneck", "because", "rival" (the best other layout), "alternatives" (each
changed in one respect), "answers" (what is best if links, batch or memory were twice or half of what they are), "shapes" (sizes of the model that
would do better), and "rules" (of thumb, that it follows or breaks).`,
  );
  command.action((path: string | undefined) => runExplain(path, read(), io));
}

interface Explained {
  readonly model: string;
  readonly base: Judged;
  readonly found?: readonly Judged[];
}

async function runExplain(path: string | undefined, values: OptionValues<ExplainOption>, io: CliIo): Promise<void> {
  const { least: objective = defaults.least } = values;
  const quiet = values.json === true;
  const { model, base, found } = path === undefined ? await fromOptions(values, io) : fromPlan(path, values);
  const explaining = explainLayout(base, fittedCosts, { objective, ...(found ? { found } : {}) });
  const explanation = await toldOf(explaining, io, quiet);
  if (quiet) {
    writeJson(io.stdout, explanationJson(explanation));
    return;
  }
  const style = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  writeLine(io.stdout, showExplanation(model, explanation, style));
}

function fromPlan(path: string, values: OptionValues<ExplainOption>): Explained {
  const given = ([...Object.keys(askedOptions), 'layout', 'microBatch'] as OptionName[]).find(
    (name) => values[name as ExplainOption] !== undefined,
  );
  if (given) refuse(given, 'what was asked stands in the plan', `leave ${flagOf(given)} out, or the plan`);
  const { asked, layouts } = readPlan(path);
  const found = layouts.map(({ scenario }) => ({ scenario, prediction: predictTraining(scenario, fittedCosts) }));
  return { model: asked.model, base: found[0]!, ...(found.length > 1 ? { found } : {}) };
}

async function fromOptions(values: OptionValues<ExplainOption>, io: CliIo): Promise<Explained> {
  const asked = readAsked(values);
  const { model } = asked;
  const layout = values.layout as string | undefined;
  if (layout !== undefined && layout !== 'auto') {
    const scenario = askedScenario(asked, layout, values.microBatch ?? 1);
    return { model, base: { scenario, prediction: predictTraining(scenario, fittedCosts) } };
  }
  const task = taskOf(asked, asked.globalBatch ?? asked.cluster.devices);
  const { least: objective = defaults.least } = values;
  const { found } = await ended(searchLayouts(task, fittedCosts, { objective, top: 2 }), io, values.json === true);
  if (found.length === 0) refuseNothingFits(task, fittedCosts);
  return { model, base: found[0]!, found };
}

async function toldOf(
  explaining: Generator<Explaining, Explanation, void>,
  io: CliIo,
  quiet: boolean,
): Promise<Explanation> {
  const progress = showPreparing(quiet, io);
  try {
    for (;;) {
      const { done, value } = explaining.next();
      if (done) return value;
      const { doing, searching } = value;
      const far = searching ? `: ${formatPercent(searching.looked / searching.grids)} of layouts looked at` : '';
      progress.show(`explaining: ${doing}${far}`);
      await setImmediate();
      throwIfStopped(io);
    }
  } finally {
    progress.end();
  }
}
