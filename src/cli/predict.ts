// The command that predicts one layout on one cluster: `fivefold predict`.
import type { Command } from 'commander';
import { fail, option } from '../errors.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import { tokenCosts } from '../plan/search/objective.ts';
import { type Offload, parseOffload } from '../plan/training/offload.ts';
import { playTraining, predictTraining } from '../plan/training/predict-training.ts';
import { scalingCurve } from '../plan/training/scaling-curve.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import { refuse } from '../train/refuse.ts';
import { type AskedOption, askedOptions, readAsked } from './asked.ts';
import { askedScenario } from './asked-layout.ts';
import { type CliIo, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { askedOf, checkPage, writePage } from './page.ts';
import { predictionJson, showPrediction } from './prediction.ts';
import { showScalingCurve } from './scaling-curve.ts';
import { showTimeline } from './timeline.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf } from './ui/wrap.ts';

type PredictOption = AskedOption | 'layout' | 'offload' | 'microBatch' | 'report' | 'json' | 'debug';

export function addPredict(program: Command, io: CliIo): void {
  const command = program
    .command('predict')
    .description('predict the memory and the time of a training step on a cluster')
    .allowExcessArguments(false);
  const read = addOptions(command, {
    ...askedOptions,
    globalBatch: 'one microbatch a replica',
    layout: 'dp over all devices, zero=3',
    offload: '',
    microBatch: '1',
    report: '',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold predict --model llama-3.1-405b --cluster 16384xh100 --layout tp=8,pp=16,dp=128,sp,virtual=4,zero=1,recompute=selective --seq-len 8192 --global-batch 2048
  $ fivefold predict --model llama-3.1-8b --cluster 8xh100 --precision fp8

The step is taken apart as the program that \`train\` would run, kernel by kernel and collective by collective; their seconds, and what
GPU frameworks hold beside it, are a model. With --json, one line: {"stepSeconds", "tokensPerSecondPerGpu", "modelFlopsPerSecondPerGpu", "mfu", "fits", "memoryBytes": {"weights",
"gradients", "optimizer", "activations", "buffers", "total"}, "time": {seconds by cause}}.`,
  );
  command.action(() => runPredict(read(), io));
}

function runPredict(values: OptionValues<PredictOption>, io: CliIo): void {
  const scenario = scenarioOf(values);
  if (values.report !== undefined) checkPage(values.report);
  const prediction = predictTraining(scenario, fittedCosts);
  if (values.report !== undefined) {
    const model = values.model as string;
    const title = `${model} on ${scenario.cluster.name}`;
    const layouts = [{ scenario, prediction, ...tokenCosts(scenario, prediction) }];
    writePage(values.report, { title, asked: askedOf(model, scenario), layouts }, fittedCosts);
  }
  if (values.json) {
    writeJson(io.stdout, predictionJson(scenario, prediction));
    return;
  }
  const shown = { colour: wantsColour(io.stdout), columns: columnsOf(io.stdout) };
  writeLine(io.stdout, showPrediction(scenario, prediction, shown));
  if (scenario.layout.pp > 1)
    writeLine(io.stdout, `\n${showTimeline(scenario, prediction, playTraining(scenario, fittedCosts), shown)}`);
  const curve = scalingCurve(scenario, fittedCosts);
  if (curve.length > 0) writeLine(io.stdout, `\n${showScalingCurve(curve, shown)}`);
}

function scenarioOf(values: OptionValues<PredictOption>): TrainingScenario {
  const asked = readAsked(values);
  const layout = values.layout as string | undefined;
  if (layout === 'auto') refuse('layout', 'auto is what plan is for', 'run fivefold plan, or name one');
  const scenario = askedScenario(asked, layout ?? `dp=${asked.cluster.devices},zero=3`, values.microBatch ?? 1);
  const given = values.offload as string | undefined;
  return given === undefined ? scenario : { ...scenario, offload: offloadOn(scenario.cluster, given) };
}

function offloadOn({ host, name }: Cluster, given: string): Offload {
  const offload = parseOffload(given, option('offload'));
  if (host) return offload;
  return fail('CLUSTER_INVALID', {
    cluster: name,
    problem: 'how much memory its hosts have is not known',
    fix: 'describe it in a file, with "host": {"memoryBytes", "memoryBytesPerSecond", "devices" that share them}',
  });
}
