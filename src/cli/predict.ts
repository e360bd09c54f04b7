// The command that predicts one layout on one cluster: `fivefold predict`.
import type { Command } from 'commander';
import { option } from '../errors.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { tokenCosts } from '../plan/search/objective.ts';
import { playTraining, predictTraining } from '../plan/training/predict-training.ts';
import { scalingCurve } from '../plan/training/scaling-curve.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import { refuse } from '../train/refuse.ts';
import { type Asked, type AskedOption, askedOptions, readAsked, taskOf } from './asked.ts';
import { askedScenario } from './asked-layout.ts';
import { bestScenario } from './best-layout.ts';
import { howSure, showHowSure } from './how-sure.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { askedOf, checkPage, writePage } from './page.ts';
import { plannedOf } from './planned.ts';
import { predictServed } from './predict-serving.ts';
import { layoutJson, predictionJson, showPrediction } from './prediction.ts';
import { showScalingCurve } from './scaling-curve.ts';
import { type ServingOption, servingOptions } from './serving-task.ts';
import { showTimeline } from './timeline.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

type PredictOption =
  | AskedOption
  | ServingOption
  | 'train'
  | 'serve'
  | 'layout'
  | 'offload'
  | 'microBatch'
  | 'report'
  | 'json'
  | 'debug';

export function addPredict(program: Command, io: CliIo): void {
  const command = program
    .command('predict')
    .description('predict a step of training, or serving, on a cluster: memory, time, throughput')
    .allowExcessArguments(false);
  const read = addOptions(command, {
    ...askedOptions,
    train: 'unless --serve is given',
    serve: '',
    globalBatch: 'one microbatch a replica; with auto a sequence a device',
    layout: 'dp over all devices, zero=3; of serving auto',
    offload: '',
    microBatch: '1',
    ...servingOptions,
    report: '',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold predict --model llama-3.1-405b --cluster 16384xh100 --layout tp=8,pp=16,dp=128,sp,virtual=4,zero=1,recompute=selective --seq-len 8192 --global-batch 2048
  $ fivefold predict --model llama-3.1-8b --cluster 8xh100 --layout auto --precision fp8
  $ fivefold predict --model llama-3.1-70b --cluster 8xh100 --serve --precision fp8 --layout tp=4,instances=2 --rate 5
  $ fivefold predict --model llama-3.1-8b --cluster 8xh100 --serve --layout prefill:tp=1,instances=3/decode:tp=1,instances=5

The step is taken apart as the program that \`train\` would run, kernel by kernel and collective by collective; their seconds, and what
GPU frameworks hold beside it, are a model. With --json, one line: {"stepSeconds", "tokensPerSecondPerGpu", "modelFlopsPerSecondPerGpu", "mfu", "fits", "memoryBytes": {"weights",
"gradients", "optimizer", "activations", "buffers", "total"}, "time": {seconds by cause}, "interval": {"stepSeconds", "memoryBytes"} (between which eight of ten
runs like it lie), "anchors" (the nearest measured runs, as predicted and as measured), "provenance", "software"}.

Of serving a layout is that of one instance, with how many instances there are, or two for pools that read prompts and that write apart: tp and cp split a
layer and a context, ep shares experts out, dp are ranks with requests of their own that share experts, pp are stages. --rate plays requests that come
at random, --concurrency as many as are always under way; without either as many as the targets allow. Its line of --json is that of plan.`,
  );
  command.action(() => runPredict(read(), io));
}

async function runPredict(values: OptionValues<PredictOption>, io: CliIo): Promise<void> {
  if (plannedOf(values) === 'serving') return predictServed(values, io);
  const asked = readAsked(values);
  const scenario = await scenarioOf(asked, values, io);
  if (values.report !== undefined) checkPage(values.report);
  const prediction = predictTraining(scenario, fittedCosts);
  if (values.report !== undefined) {
    const title = `${asked.model} on ${scenario.cluster.name}`;
    const layouts = [{ scenario, prediction, ...tokenCosts(scenario, prediction) }];
    writePage(values.report, { title, asked: askedOf(asked, scenario), layouts }, fittedCosts);
  }
  if (values.json) {
    const chosen = values.layout === 'auto' ? layoutJson(scenario) : {};
    writeJson(io.stdout, {
      ...chosen,
      ...predictionJson(scenario, prediction),
      ...howSure(scenario, fittedCosts),
      software: asked.software.name,
    });
    return;
  }
  const shown = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  writeLine(io.stdout, showPrediction(asked, scenario, prediction, shown));
  if (scenario.layout.pp > 1)
    writeLine(io.stdout, `\n${showTimeline(scenario, prediction, playTraining(scenario, fittedCosts), shown)}`);
  const curve = scalingCurve(scenario, fittedCosts);
  if (curve.length > 0) writeLine(io.stdout, `\n${showScalingCurve(curve, shown)}`);
  writeLine(io.stdout, `\n${showHowSure(howSure(scenario, fittedCosts), shown)}`);
}

async function scenarioOf(asked: Asked, values: OptionValues<PredictOption>, io: CliIo): Promise<TrainingScenario> {
  const layout = values.layout as string | undefined;
  if (layout !== 'auto')
    return askedScenario(asked, layout ?? `dp=${asked.cluster.devices},zero=3`, values.microBatch ?? 1);
  if (values.microBatch !== undefined)
    refuse('microBatch', `it is chosen with ${option('layout')} auto`, 'leave it out, or name a layout');
  return bestScenario(taskOf(asked, asked.globalBatch ?? asked.cluster.devices), io, values.json === true);
}
