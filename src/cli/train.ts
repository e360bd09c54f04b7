// The command that trains: `fivefold train`.
import type { Command } from 'commander';
import { parseLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { namesToTry } from '../model/presets.ts';
import { tokensPerStep } from '../step/settings.ts';
import type { RunPlan } from '../train/plan-run.ts';
import { evaluationMetrics } from '../train/run-directory.ts';
import { trainDefaults } from '../train/settings.ts';
import type { TrainOptions } from '../train/train.ts';
import { formatCount, formatFlopsPerSecond, formatSeconds } from '../units.ts';
import { type CliIo, quoted, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues, readConfig } from './options.ts';
import { formatFigures } from './report.ts';
import { doneLine, measuredFigures, predictedFigures, restartLine, stepLine } from './results.ts';
import { runTraining } from './run-training.ts';
import { wantsColour } from './ui/colour.ts';
import { columnsOf, wrapCommand } from './ui/wrap.ts';

/** The options of `train` and the defaults that its help shows. */
const shownDefaults = {
  data: 'required, but for a run that goes on',
  objective: trainDefaults.objective,
  beta: `${trainDefaults.beta}`,
  auxLoss: `${trainDefaults.auxLoss}`,
  zLoss: `${trainDefaults.zLoss}`,
  biasRate: `${trainDefaults.biasRate}`,
  capacity: 'none is dropped',
  routing: trainDefaults.routing,
  mix: 'all as one stream',
  model: `${trainDefaults.model}; others by name, such as ${namesToTry.join(', ')}`,
  set: '',
  tokenizer: "the checkpoint's, else bytes",
  layout: `${trainDefaults.layout}: by what this machine is measured to do`,
  speeds: 'all alike',
  steps: `${trainDefaults.steps}`,
  epochs: '',
  seqLen: `${trainDefaults.seqLen}`,
  globalBatch: `${trainDefaults.globalBatch}`,
  microBatch: 'up to 4, less with pp',
  learningRate: `${trainDefaults.learningRate}; of dpo ${trainDefaults.dpoLearningRate}`,
  minLearningRate: 'a tenth of --lr',
  warmupSteps: 'a tenth of the steps, at most 100',
  decaySteps: 'the last',
  betas: trainDefaults.betas.join(','),
  epsilon: `${trainDefaults.epsilon}`,
  weightDecay: `${trainDefaults.weightDecay}`,
  clipNorm: `${trainDefaults.clipNorm}`,
  syncEvery: `${trainDefaults.syncEvery}: gradients are summed at every step`,
  outerLearningRate: `${trainDefaults.outerLearningRate}`,
  outerMomentum: `${trainDefaults.outerMomentum}`,
  seed: `${trainDefaults.seed}`,
  precision: trainDefaults.precision,
  pack: 'one endless text',
  heldOut: `${trainDefaults.heldOut}; with --eval-every ${trainDefaults.heldOutForEvaluation}`,
  evalEvery: '',
  evalSequences: `${trainDefaults.evalSequences}`,
  sampleEvery: '',
  samplePrompt: 'a new line',
  out: 'nothing is saved',
  saveEvery: '',
  restart: 'the run ends',
  keep: `${trainDefaults.keep}`,
  weightsType: "the run's precision",
  resume: '',
  dataChanged: '',
  config: '',
  trace: '',
  timeoutSeconds: `${trainDefaults.timeoutSeconds}`,
  json: '',
  debug: '',
} as const;

type TrainingValues = OptionValues<keyof typeof shownDefaults>;

export function addTrain(program: Command, io: CliIo): void {
  const command = program.command('train').description('train a model split over ranks').allowExcessArguments(false);
  const read = addOptions(command, shownDefaults);
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold train --data README.md docs --out runs/notes
  $ fivefold train --data book.txt --layout tp=2 --epochs 2 --eval-every 50 --save-every 100 --out runs/book
  $ fivefold train --resume runs/book --layout dp=2 --steps 1000
  $ fivefold train --config runs/book/run.json --lr 3e-4 --out runs/slower
  $ fivefold train --objective dpo --data pairs.jsonl --model runs/book --beta 0.1 --out runs/preferred
  $ fivefold train --data book.txt --model llama-tiny --precision f64 --layout pp=2 --steps 3 --json

A layout names the sizes of its axes (tp, cp, ep, pp, dp), and sp (tensor parallelism cuts sequences too), cpMode=ring, gather or ulysses
(how cp ranks attend to each other's tokens), zero=1, 2 or 3 (ranks of dp, cp and ep share out the optimizer's moments, also the
gradients, also the weights), recompute=selective or full, of some layers
full:0-3+6 (backwards compute anew what is cheap, or all of a block, rather than keep it), schedule=1f1b, gpipe, zb-h1 or
file:<path> (in double quotes if it holds a comma), virtual=2 (chunks a stage) and stages=3+5 (layers of each). With tp=1 sp changes
nothing, with cp=1 cpMode, with one rank of dp, cp and ep zero, with pp=1 virtual and a schedule by name. See fivefold describe.

A run that goes on has the settings and the data it was started with. Its layout, steps, optimizer and what is measured and saved
on the way may be given anew; a longer run stays at its last rate unless --decay-steps stretches the schedule. The run's directory
holds its settings (run.json, for --config) and its figures (metrics.jsonl).

Without --layout, or with auto, the machine is measured for half a second, and the layout is taken whose step is estimated to be the
shortest of those that fit. With --speeds, a number for each rank or measure, stages have as many layers and replicas as many
microbatches as their slowest rank does in the time of the others, unless stages= says how many layers (replicas keep as many with
zero=2, zero=3, ep, --sync-every or a schedule out of a file).

With --restart, a rank that dies, hangs past --timeout or runs out of memory is started again; one that is lost twice without a
step between is given up, for a layout of fewer ranks. When the process itself was killed, the same command goes on.

With --objective dpo (direct preference optimization) a line of data is a pair: {"prompt", "chosen", "rejected"}, strings or arrays of
{"role", "content"} for the chat template beside the tokenizer. --seq-len is the longest prompt with its completion (the end of what is
longer is cut off), --global-batch counts pairs. The reference is the weights the run starts from; what it prefers is computed first,
and kept with the run.

With --json, a line a step: {"step", "loss", "gradNorm", "tokens": trained on so far (with --pack, what fills sequences up counts too), "seconds": of the step}, for a
measurement {"step", "evalLoss", "perplexity"} (of dpo "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins",
"logps/chosen" and "logps/rejected" stand beside the loss, of a measurement under "eval/"; of mixtures of experts "imbalance": slots of
the busiest expert over the mean, "imbalance/<layer>", with --capacity "dropped": the share of slots that no expert took, and with --aux-loss or --z-loss "auxLoss", "zLoss", which "loss" is without), for a sample {"step", "sample"}, for a
restart {"restart": {"rank", "problem", "step": it goes on from, "layout", "left"}} (lines of steps after that one come again), and at the end
{"done": true, "tokensPerSecond", "modelFlopsPerSecond", "peakBytes": [by rank], "processBytes": growth of resident memory,
"bytesSent": {axis: {collective: [by rank]}}, "flops": [by rank], "stepSeconds": median of the steps after the first, "predicted": {"peakBytes",
"processBytes", "bytesSent", "flops", "stepSeconds": where this machine was measured, see fivefold calibrate}}.`,
  );
  command.action(() => runTrain(read(), io));
}

async function runTrain(values: TrainingValues, io: CliIo): Promise<void> {
  const { json: wantsJson, debug: _, config, ...given } = values;
  const json = wantsJson === true;
  const inFile = config === undefined ? {} : readConfig(config);
  const beside = meaninglessBeside(given, inFile);
  const others = Object.fromEntries(Object.entries(inFile).filter(([key]) => !beside.includes(key)));
  const options: TrainOptions = { ...others, ...defined(given) };
  const { summary, plan } = await runTraining(
    {
      options,
      quiet: json,
      introduce: true,
      ...(json
        ? {
            onStep: (report, { settings }) => writeJson(io.stdout, stepLine(report, tokensPerStep(settings))),
            onSample: ({ step, text }) => writeJson(io.stdout, { step, sample: text }),
            onRestart: (report) => writeJson(io.stdout, restartLine(report)),
            onEvaluation: (report) => writeJson(io.stdout, evaluationMetrics(report)),
          }
        : {}),
    },
    io,
  );
  if (json) {
    writeJson(io.stdout, doneLine(summary, plan.settings));
    return;
  }
  const { tokensPerSecond, modelFlopsPerSecond, setupSeconds } = summary;
  writeLine(
    io.stdout,
    `\n${formatCount(tokensPerSecond)} tokens/s, ${formatFlopsPerSecond(modelFlopsPerSecond)}, set up in ${formatSeconds(setupSeconds)}\n`,
  );
  const [predicted, measured] = [predictedFigures(summary, plan.settings), measuredFigures(summary)];
  writeLine(io.stdout, formatFigures(predicted, measured, wantsColour(io.stdout), columnsOf(io.stdout)));
  writeLine(
    io.stdout,
    `\nNext:\n${next(options.out ?? options.resume, plan, io)
      .map((line) => `  ${wrapCommand(line, columnsOf(io.stdout), 2)}`)
      .join('\n')}`,
  );
}

/** Settings of a file that say nothing beside those of the command line, which wins. */
const meaninglessBeside = (
  { steps, epochs, syncEvery, objective, heldOut, layout }: TrainingValues,
  { speeds }: TrainOptions,
): readonly string[] => [
  ...(steps === undefined ? [] : ['epochs']),
  ...(epochs === undefined ? [] : ['steps']),
  ...(heldOut === 0 ? ['evalEvery'] : []),
  ...(layout !== undefined &&
  layout !== 'auto' &&
  Array.isArray(speeds) &&
  speeds.length !== worldSize(parseLayout(layout))
    ? ['speeds']
    : []),
  ...(syncEvery === 1 ? ['outerLearningRate', 'outerMomentum'] : []),
  ...(objective === 'next-token' ? ['beta'] : []),
];

/** What was given. */
const defined = <T extends object>(values: T): T =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;

/** Commands that work from here. */
function next(out: string | undefined, { run }: RunPlan, { program }: CliIo): string[] {
  const files = run.data.length > 3 ? '<the same files>' : run.data.map(quoted).join(' ');
  const scale = `${program} scale`;
  const objective = run.objective === trainDefaults.objective ? '' : `--objective ${run.objective} `;
  if (out === undefined) return [`${program} train ${objective}--data ${files} --out runs/mine`, scale];
  return [
    `${program} generate --model ${quoted(out)} --prompt 'The '`,
    `${program} train --resume ${quoted(out)} --steps ${2 * run.steps}`,
    scale,
  ];
}
