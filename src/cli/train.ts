// The command that trains: `fivefold train`.
import type { Command } from 'commander';
import { presets } from '../model/presets.ts';
import { tokensPerStep } from '../step/settings.ts';
import type { RunPlan } from '../train/plan-run.ts';
import { trainDefaults } from '../train/settings.ts';
import type { TrainOptions } from '../train/train.ts';
import { type CliIo, quoted, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues, readConfig } from './options.ts';
import { formatFigures } from './report.ts';
import { doneLine, evaluationLine, measuredFigures, predictedFigures, stepLine } from './results.ts';
import { runTraining } from './run-training.ts';
import { wantsColour } from './ui/colour.ts';
import { formatCount, formatFlopsPerSecond, formatSeconds } from './ui/units.ts';
import { columnsOf, wrapCommand } from './ui/wrap.ts';

/** The options of `train` and the defaults that its help shows. */
const shownDefaults = {
  data: 'required, but for a run that goes on',
  mix: 'all as one stream',
  model: `${trainDefaults.model}; presets: ${Object.keys(presets).join(', ')}`,
  set: '',
  tokenizer: "the checkpoint's, else bytes",
  layout: `${trainDefaults.layout}: by the cores of this machine`,
  steps: `${trainDefaults.steps}`,
  epochs: '',
  seqLen: `${trainDefaults.seqLen}`,
  globalBatch: `${trainDefaults.globalBatch}`,
  microBatch: 'up to 4, less with pp',
  learningRate: `${trainDefaults.learningRate}`,
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
  $ fivefold train --data book.txt --model llama-tiny --precision f64 --layout pp=2 --steps 3 --json

A layout names the sizes of its axes (tp, pp, dp), and sp (tensor parallelism cuts sequences too), zero=1, 2 or 3 (data-parallel
ranks share out the optimizer's moments, also the gradients, also the weights), recompute=selective or full, of some layers
full:0-3+6 (backwards compute anew what is cheap, or all of a block, rather than keep it), schedule=1f1b, gpipe, zb-h1 or
file:<path> (in double quotes if it holds a comma), virtual=2 (chunks a stage) and stages=3+5 (layers of each). With tp=1 sp changes
nothing, with dp=1 zero, with pp=1 virtual and a schedule by name. See fivefold describe.

A run that goes on has the settings and the data it was started with. Its layout, steps, optimizer and what is measured and saved
on the way may be given anew; a longer run stays at its last rate unless --decay-steps stretches the schedule. The run's directory
holds its settings (run.json, for --config) and its figures (metrics.jsonl).

With --json, a line a step: {"step", "loss", "gradNorm", "tokens": trained on so far (with --pack, what fills sequences up counts too), "seconds": of the step}, for a
measurement {"step", "evalLoss", "perplexity"}, for a sample {"step", "sample"}, and at the end
{"done": true, "tokensPerSecond", "modelFlopsPerSecond", "peakBytes": [by rank], "processBytes": growth of resident memory,
"bytesSent": {axis: {collective: [by rank]}}, "flops": [by rank], "predicted": {"peakBytes", "processBytes", "bytesSent", "flops"}}.`,
  );
  command.action(() => runTrain(read(), io));
}

async function runTrain(values: TrainingValues, io: CliIo): Promise<void> {
  const { json: wantsJson, debug: _, config, ...given } = values;
  const json = wantsJson === true;
  const { steps, ...others } = config === undefined ? {} : readConfig(config);
  // Two settings that say the same: the one of the command line wins.
  const length = given.epochs === undefined ? { steps } : {};
  const options: TrainOptions = { ...others, ...(defined(length) as Pick<TrainOptions, 'steps'>), ...defined(given) };
  const { summary, plan } = await runTraining(
    {
      options,
      quiet: json,
      introduce: true,
      ...(json
        ? {
            onStep: (report, { settings }) => writeJson(io.stdout, stepLine(report, tokensPerStep(settings))),
            onSample: ({ step, text }) => writeJson(io.stdout, { step, sample: text }),
            onEvaluation: (report) => writeJson(io.stdout, evaluationLine(report)),
          }
        : {}),
    },
    io,
  );
  if (json) {
    writeJson(io.stdout, doneLine(summary));
    return;
  }
  const { tokensPerSecond, modelFlopsPerSecond, setupSeconds } = summary;
  writeLine(
    io.stdout,
    `\n${formatCount(tokensPerSecond)} tokens/s, ${formatFlopsPerSecond(modelFlopsPerSecond)}, set up in ${formatSeconds(setupSeconds)}\n`,
  );
  const [predicted, measured] = [predictedFigures(summary), measuredFigures(summary)];
  writeLine(io.stdout, formatFigures(predicted, measured, wantsColour(io.stdout), columnsOf(io.stdout)));
  writeLine(
    io.stdout,
    `\nNext:\n${next(options.out ?? options.resume, plan, io)
      .map((line) => `  ${wrapCommand(line, columnsOf(io.stdout), 2)}`)
      .join('\n')}`,
  );
}

/** What was given. */
const defined = <T extends object>(values: T): T =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;

/** Commands that work from here. */
function next(out: string | undefined, { run }: RunPlan, { program }: CliIo): string[] {
  const files = run.data.length > 3 ? '<the same files>' : run.data.map(quoted).join(' ');
  const scale = `${program} scale`;
  if (out === undefined) return [`${program} train --data ${files} --out runs/mine`, scale];
  return [
    `${program} generate --model ${quoted(out)} --prompt 'The '`,
    `${program} train --resume ${quoted(out)} --steps ${2 * run.steps}`,
    scale,
  ];
}
