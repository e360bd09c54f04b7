// The command that chooses a layout for a cluster: `fivefold plan`.
import type { Command } from 'commander';
import { option } from '../errors.ts';
import { printLayout } from '../mesh/layout.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { becauseOf } from '../plan/explain/because.ts';
import { wholeTraining } from '../plan/needs/whole-training.ts';
import { searchFront } from '../plan/search/front.ts';
import { tokenCosts } from '../plan/search/objective.ts';
import { type Found, searchLayouts } from '../plan/search/search.ts';
import type { Considered } from '../report/front.ts';
import { refuse } from '../train/refuse.ts';
import { type AskedOption, askedOptions, objectiveOf, readAsked, taskOf } from './asked.ts';
import { enoughFor, showTried, showWhole } from './deadline.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import { refuseNothingFits } from './nothing-fits.ts';
import { addOptions, type OptionValues } from './options.ts';
import { askedOf, checkPage, writePage } from './page.ts';
import { askedJson } from './plan-file.ts';
import { showPlan } from './plan-report.ts';
import { planServing } from './plan-serving.ts';
import { plannedOf } from './planned.ts';
import { predictionJson } from './prediction.ts';
import { ended, endedFront } from './searching.ts';
import { type ServingOption, servingOptions } from './serving-task.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

const defaults = { top: 5, least: 'time' } as const;

type PlanOption =
  | AskedOption
  | ServingOption
  | 'train'
  | 'serve'
  | 'tokens'
  | 'deadline'
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
    ...askedOptions,
    globalBatch: 'a sequence a device',
    train: '',
    serve: '',
    tokens: '',
    deadline: '',
    ...servingOptions,
    top: `${defaults.top}`,
    least: `${defaults.least}; of serving throughput`,
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
  $ fivefold plan --model llama-3.1-70b --cluster 8xh100 --serve --precision fp8 --ttft 1s --tpot 30ms
  $ fivefold plan --model llama-3.1-70b --cluster 64xh100 --serve --precision fp8 --rate 20
  $ fivefold plan --model llama-3.1-8b --cluster 1024xh100 --train --seq-len 8192 --tokens 15T --deadline 90d

Every layout that divides the model, the batch and the devices is judged: all axes, schedules, microbatches, ZeRO and recomputation. Those that
bounds show to be worse than the best are not looked at closer; the best is the best of all. With --json a line a layout: {"rank", "layout",
"microBatch", "fits", predict's fields, "dollarsPerMillionTokens", "joulesPerToken"}, and a last one: {"done":true, "judged", "pruned", "seconds",
"because", "asked"}; \`explain\` reads these lines.

With --deadline the cluster is the most there is: whole nodes are taken of it, as few as train on --tokens in time, with the batch of a step
as it is. The last line of --json then has "training": {"tokens", "steps", "seconds", "devices", "deviceHours", "dollars", "joules"}.

Of serving every instance that divides the model and the devices is judged with every number of requests under way, and pools of those that read
prompts apart from those that write. With --rate the fewest devices are found that answer so many requests a second, of which nine in ten
keep both targets; the cluster is the most there is. A line of --json has {"rank", "layout", "fits", "devices", "concurrency",
"secondsToFirstToken", "secondsPerOutputToken", "secondsOfRequest", "requestsPerSecond", "outputTokensPerSecond", "outputTokensPerSecondPerGpu", "running",
"memoryBytes", "cacheTokens", "iteration", "bottleneck", "dollarsPerMillionTokens", "joulesPerToken"}.`,
  );
  command.action(() => runPlan(read(), io));
}

async function runPlan(values: OptionValues<PlanOption>, io: CliIo): Promise<void> {
  if (plannedOf(values) === 'serving') return planServing(values, io);
  if (!values.train) refuse('train', 'what to plan is missing', `add ${option('train')} or ${option('serve')}`);
  const { tokens, deadline } = values;
  if (deadline !== undefined && tokens === undefined)
    refuse('deadline', `of how many tokens is missing`, `add ${option('tokens')}, such as ${option('tokens')} 15T`);
  const given = readAsked(values);
  if (values.report !== undefined) checkPage(values.report);
  const enough =
    tokens !== undefined && deadline !== undefined
      ? await enoughFor(given, { tokens, deadline }, io, values.json === true)
      : undefined;
  const asked = enough?.asked ?? given;
  const task = taskOf(asked, asked.globalBatch ?? asked.cluster.devices);
  const { top = defaults.top } = values;
  const objective = objectiveOf(values.least);
  const began = performance.now();
  // The runner-up is looked for in any case: it is what the best is explained by.
  const searching = searchLayouts(task, fittedCosts, { objective, top: Math.max(2, top) });
  const result = await ended(searching, io, values.json === true);
  const seconds = (performance.now() - began) / 1000;
  if (result.found.length === 0) refuseNothingFits(task, fittedCosts);
  const shown = result.found.slice(0, top);
  const because = becauseOf(result.found, objective, fittedCosts);
  if (values.report !== undefined) {
    const [best] = result.found as [Found];
    const fastest = objective === 'time' ? [best] : [];
    const front = await endedFront(searchFront(task, fittedCosts, fastest), io, values.json === true);
    const report = {
      title: `${asked.model} on ${task.cluster.name}`,
      asked: [
        ...askedOf(asked.model, best.scenario),
        ['judged', `${result.judged} layouts, for the least ${objective}`] as const,
      ],
      layouts: shown.map((each) => ({ ...each, ...tokenCosts(each.scenario, each.prediction) })),
      because,
      considered: consideredOf([...front, ...result.found]),
    };
    writePage(values.report, report, fittedCosts);
  }
  if (!values.json) {
    if (enough) writeLine(io.stdout, `${showTried(enough.tried, wantsColour(io.stdout))}\n`);
    writeLine(
      io.stdout,
      showPlan(task, { ...result, found: shown }, because, {
        seconds,
        colour: wantsColour(io.stdout),
        columns: columnsOf(io.stdout),
      }),
    );
    if (tokens !== undefined) writeLine(io.stdout, `\n${showWhole(result.found[0]!, tokens)}`);
    return;
  }
  for (const [at, found] of shown.entries()) writeJson(io.stdout, { rank: at + 1, ...foundJson(found) });
  writeJson(io.stdout, {
    done: true,
    judged: result.judged,
    pruned: result.pruned,
    seconds,
    because,
    ...(tokens === undefined
      ? {}
      : { training: wholeTraining(result.found[0]!.scenario, result.found[0]!.prediction, tokens) }),
    asked: askedJson(asked, task, objective),
  });
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
