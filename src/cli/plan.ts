// The command that chooses a layout for a cluster: `fivefold plan`.
import { setImmediate } from 'node:timers/promises';
import type { Command } from 'commander';
import { findModel } from '../checkpoint/model-source.ts';
import { option } from '../errors.ts';
import { printLayout } from '../mesh/layout.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { searchFront } from '../plan/search/front.ts';
import { tokenCosts } from '../plan/search/objective.ts';
import { type Found, type Searching, searchLayouts } from '../plan/search/search.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { currentSoftware, mixedPrecision } from '../plan/training/scenario.ts';
import type { Considered } from '../report/front.ts';
import { refuse } from '../train/refuse.ts';
import { formatPercent } from '../units.ts';
import { checkFormat } from './check-format.ts';
import { findCluster } from './find-cluster.ts';
import { type CliIo, throwIfStopped, writeJson, writeLine } from './io.ts';
import { refuseNothingFits } from './nothing-fits.ts';
import { addOptions, type OptionValues } from './options.ts';
import { askedOf, checkPage, writePage } from './page.ts';
import { becauseText, showPlan } from './plan-report.ts';
import { predictionJson } from './prediction.ts';
import { showPreparing } from './preparing.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

const defaults = { seqLen: 4096, products: 'bf16', top: 5, least: 'time' } as const;

type PlanOption =
  | 'model'
  | 'set'
  | 'cluster'
  | 'train'
  | 'seqLen'
  | 'globalBatch'
  | 'products'
  | 'top'
  | 'least'
  | 'report'
  | 'json'
  | 'debug';

export function addPlan(program: Command, io: CliIo): void {
  const command = program
    .command('plan')
    .description('find the best layouts of a model on a cluster')
    .allowExcessArguments(false);
  const read = addOptions(command, {
    model: '',
    set: '',
    cluster: '',
    train: '',
    seqLen: `${defaults.seqLen}`,
    globalBatch: 'a sequence a device',
    products: defaults.products,
    top: `${defaults.top}`,
    least: defaults.least,
    report: '',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold plan --model llama-3.1-405b --cluster 16384xh100 --train --seq-len 8192 --global-batch 2048
  $ fivefold plan --model llama-3.1-8b --cluster 8xh100 --train --objective cost --json

Every layout that divides the model, the batch and the devices is judged: all axes, schedules, microbatches, ZeRO and recomputation. Those that
bounds show to be worse than the best are not looked at closer; the best is the best of all. With --json a line a layout: {"rank", "layout",
"microBatch", "fits", predict's fields, "dollarsPerMillionTokens", "joulesPerToken"}, and a last one: {"done":true, "judged", "pruned", "seconds",
"because"}.`,
  );
  command.action(() => runPlan(read(), io));
}

async function runPlan(values: OptionValues<PlanOption>, io: CliIo): Promise<void> {
  const task = taskOf(values);
  const { top = defaults.top, least: objective = defaults.least } = values;
  if (values.report !== undefined) checkPage(values.report);
  const began = performance.now();
  // The runner-up is looked for in any case: it is what the best is explained by.
  const searching = searchLayouts(task, fittedCosts, { objective, top: Math.max(2, top) });
  const result = await ended(searching, io, values.json === true);
  const seconds = (performance.now() - began) / 1000;
  if (result.found.length === 0) refuseNothingFits(task, fittedCosts);
  const shown = result.found.slice(0, top);
  const because = becauseText(result.found);
  if (values.report !== undefined) {
    const [best] = result.found as [Found];
    const model = values.model as string;
    const fastest = objective === 'time' ? [best] : [];
    const front = await ended(searchFront(task, fittedCosts, fastest), io, values.json === true);
    const report = {
      title: `${model} on ${task.cluster.name}`,
      asked: [
        ...askedOf(model, best.scenario),
        ['judged', `${result.judged} layouts, for the least ${objective}`] as const,
      ],
      layouts: shown.map((each) => ({ ...each, ...tokenCosts(each.scenario, each.prediction) })),
      because,
      considered: consideredOf([...front, ...result.found]),
    };
    writePage(values.report, report, fittedCosts);
  }
  if (!values.json) {
    writeLine(
      io.stdout,
      showPlan(task, { ...result, found: shown }, because, {
        seconds,
        colour: wantsColour(io.stdout),
        columns: columnsOf(io.stdout),
      }),
    );
    return;
  }
  for (const [at, found] of shown.entries()) writeJson(io.stdout, { rank: at + 1, ...foundJson(found) });
  writeJson(io.stdout, { done: true, judged: result.judged, pruned: result.pruned, seconds, because });
}

const foundJson = ({ scenario, prediction }: Found) => ({
  layout: printLayout(scenario.layout),
  microBatch: scenario.microBatch,
  ...predictionJson(scenario, prediction),
  ...tokenCosts(scenario, prediction),
});

/** Layouts by name, each once. */
function consideredOf(found: readonly Found[]): Considered[] {
  const all = found.map(({ scenario, prediction }): [string, Considered] => {
    const layout = printLayout(scenario.layout);
    const { stepSeconds, memory } = prediction;
    return [`${layout} ${scenario.microBatch}`, { layout, stepSeconds, memoryBytes: memory.total }];
  });
  return [...new Map(all).values()];
}

/** What a search comes to, with its progress on the way. */
async function ended<R>(searching: Generator<Searching, R, void>, io: CliIo, quiet: boolean): Promise<R> {
  const progress = showPreparing(quiet, io);
  try {
    for (;;) {
      const { done, value } = searching.next();
      if (done) return value;
      const { grids, looked, predicted } = value;
      progress.show(
        `searching: ${formatPercent(looked / grids)} of ${grids} grids looked at, ${predicted} layouts predicted`,
      );
      // So that signals are heard, and what is shown is written.
      await setImmediate();
      throwIfStopped(io);
    }
  } finally {
    progress.end();
  }
}

function taskOf(values: OptionValues<PlanOption>): SearchTask {
  if (values.model === undefined) refuse('model', 'it is missing', 'name one, such as llama-3.1-8b');
  if (values.cluster === undefined) refuse('cluster', 'it is missing', 'name one, such as 8xh100');
  if (!values.train) refuse('train', 'what to plan is missing', `add ${option('train')}`);
  const { config } = findModel(values.model as string, values.set);
  const cluster = findCluster(values.cluster as string);
  const { products = defaults.products, globalBatch = cluster.devices } = values;
  const seqLen = values.seqLen ?? Math.min(defaults.seqLen, config.positions.max);
  if (seqLen > config.positions.max)
    refuse(
      'seqLen',
      `${seqLen} is longer than the model's ${config.positions.max} positions`,
      `use ${option('seqLen')} ${config.positions.max} or less`,
    );
  checkFormat(cluster.device, products);
  return { config, cluster, seqLen, globalBatch, formats: mixedPrecision(products), software: currentSoftware };
}
