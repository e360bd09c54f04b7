// The command that trains: `fivefold train`.
import { join } from 'node:path';
import type { Command } from 'commander';
import { printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { matrixWeights } from '../model/config.ts';
import { presets } from '../model/presets.ts';
import { type CliIo, quoted, throwIfStopped, writeJson, writeLine } from './io.ts';
import { addOptions, type OptionValues } from './options.ts';
import { prepare } from './preparing.ts';
import { formatFigures } from './report.ts';
import { doneLine, measuredFigures, predictedFigures, stepLine } from './results.ts';
import { runTraining } from './run-training.ts';
import { withTemporary } from './temporary.ts';
import { type TrainingSettings, type TrainingValues, trainDefaults, trainingSettings } from './training-settings.ts';
import { wantsColour } from './ui/colour.ts';
import { formatCount, formatFlopsPerSecond, formatSeconds } from './ui/units.ts';
import { columnsOf, wrapCommand } from './ui/wrap.ts';

export function addTrain(program: Command, io: CliIo): void {
  const command = program.command('train').description('train a model split over ranks').allowExcessArguments(false);
  const read = addOptions(command, {
    data: 'required',
    model: `${trainDefaults.model}; presets: ${Object.keys(presets).join(', ')}`,
    layout: `${trainDefaults.layout}: by the cores of this machine`,
    steps: `${trainDefaults.steps}`,
    seqLen: `${trainDefaults.seqLen}`,
    globalBatch: `${trainDefaults.globalBatch}`,
    microBatch: 'up to 4, less with pp',
    lr: `${trainDefaults.lr}`,
    seed: `${trainDefaults.seed}`,
    precision: trainDefaults.precision,
    out: 'nothing is saved',
    saveEvery: '',
    resume: '',
    tokenizer: "the checkpoint's, else bytes",
    trace: '',
    timeout: '300',
    json: '',
    debug: '',
  });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold train --data README.md docs --out runs/notes
  $ fivefold train --data book.txt --layout tp=2 --steps 500 --save-every 100 --out runs/book
  $ fivefold train --data book.txt --resume runs/book --layout dp=2 --steps 1000
  $ fivefold train --data book.txt --model llama-tiny --precision f64 --layout pp=2 --steps 3 --json

Settings not given to a resumed run are those it was started with; only its layout, steps and learning rate may change.

With --json, a line a step: {"step", "loss", "gradNorm", "tokens": trained on so far, "seconds": of the step}, and at the end
{"done": true, "tokensPerSecond", "modelFlopsPerSecond", "peakBytes": [by rank], "bytesSent": {axis: {collective: [by rank]}},
"flops": [by rank], "predicted": {"peakBytes", "bytesSent", "flops"}}.`,
  );
  command.action(() => runTrain(read(), io));
}

async function runTrain(values: TrainingValues & OptionValues<'json'>, io: CliIo): Promise<void> {
  const settings = trainingSettings(values);
  const json = values.json === true;
  const { options, tokenizer, data, stepsDone } = settings;
  await withTemporary(async (directory) => {
    const files = {
      files: data,
      tokenizer,
      config: options.model.config,
      cacheFile: join(directory, 'tokens.i32.bin'),
    };
    const tokens = await prepare({ ...files, quiet: json }, io);
    throwIfStopped(io);
    const tokensPerStep = options.seqLen * options.globalBatch;
    const summary = await runTraining(
      {
        options: { ...options, tokenFile: tokens.path },
        stepsDone,
        quiet: json,
        introduction: introduction(settings, tokens.tokens),
        data,
        ...(json ? { onStep: (report) => writeJson(io.stdout, stepLine(report, tokensPerStep)) } : {}),
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
    const [predicted, measured] = [predictedFigures(summary.predicted), measuredFigures(summary)];
    writeLine(io.stdout, formatFigures(predicted, measured, wantsColour(io.stdout), columnsOf(io.stdout)));
    writeLine(
      io.stdout,
      `\nNext:\n${next(settings, io)
        .map((line) => `  ${wrapCommand(line, columnsOf(io.stdout), 2)}`)
        .join('\n')}`,
    );
  });
}

/** What is about to run, in one line. */
export function introduction({ options }: Pick<TrainingSettings, 'options'>, tokens: number): string {
  const { model, layout, seqLen, globalBatch, precision } = options;
  const ranks = worldSize(layout);
  return [
    `${model.config.family}, ${formatCount(matrixWeights(model.config))} matrix weights`,
    `${ranks} rank${ranks > 1 ? 's' : ''} (${printLayout(layout)})`,
    `${globalBatch} × ${seqLen} tokens a step`,
    `${formatCount(tokens)} tokens of data`,
    precision,
  ].join('; ');
}

/** Commands that work from here. */
function next({ options: { out, steps }, data }: TrainingSettings, { program }: CliIo): string[] {
  const files = data.length > 3 ? '<the same files>' : data.map(quoted).join(' ');
  const scale = `${program} scale`;
  if (out === undefined) return [`${program} train --data ${files} --out runs/mine`, scale];
  return [
    `${program} generate --model ${quoted(out)} --prompt 'The '`,
    `${program} train --resume ${quoted(out)} --data ${files} --steps ${2 * steps}`,
    scale,
  ];
}
