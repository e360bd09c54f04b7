// The first run on a new machine: `fivefold demo` trains a small model on text that is there, in about 90 seconds.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { readManifest } from '../checkpoint/commit.ts';
import { findCorpus } from '../data/sample-corpus.ts';
import { byteTokenizer } from '../data/tokenizer.ts';
import { prepareTokens } from '../data/tokens.ts';
import { FivefoldError, fail } from '../errors.ts';
import { errorCode, reasonOf } from '../files/system-errors.ts';
import { withTemporary } from '../files/temporary.ts';
import { createPool, type WorldPool } from '../runtime/world-pool.ts';
import type { TrainSummary } from '../train/launch.ts';
import type { RunPlan } from '../train/plan-run.ts';
import { train } from '../train/train.ts';
import { formatCount, formatFlopsPerSecond, formatSeconds } from '../units.ts';
import { continueText } from './generate.ts';
import { type CliIo, quoted, Stopped, throwIfStopped, writeLine } from './io.ts';
import { addOptions } from './options.ts';
import { readingText, showPreparing } from './preparing.ts';
import { formatFigures } from './report.ts';
import { measuredFigures, predictedFigures } from './results.ts';
import { runTraining } from './run-training.ts';
import { paint, wantsColour } from './ui/colour.ts';
import { columnsOf, wrapCommand } from './ui/wrap.ts';

/** The whole command takes about this long on any machine but a very slow one. */
const wholeSeconds = 90;
/** Of it, for what comes after training: saving and the sample. */
const endSeconds = 5;
/** Of it, for measuring the machine's speed: its load changes from second to second. */
const timedShare = 0.05;
const fewestSteps = 20;
const corpusBytes = 6_000_000;
const settings = {
  model: 'llama-tiny',
  seqLen: 256,
  globalBatch: 8,
  learningRate: 5e-3,
  seed: 0,
  precision: 'f32',
} as const;
const sample = { prompt: '## Install', maxTokens: 320, temperature: 0.6 };

export function addDemo(program: Command, io: CliIo): void {
  const command = program
    .command('demo')
    .description('train a small model on text found on this machine, in about 90 seconds')
    .allowExcessArguments(false);
  const read = addOptions(command, { seconds: `${wholeSeconds}`, debug: '' });
  command.addHelpText(
    'after',
    `
Examples:
  $ fivefold demo
  $ fivefold demo --seconds 600

The text is the documentation and the type declarations of the installed packages. The layout is chosen for the cores of this
machine, the number of steps by its speed. The run is saved in runs/demo-1, or the next number that is free.`,
  );
  command.action(() => runDemo(read().seconds ?? wholeSeconds, io));
}

async function runDemo(seconds: number, io: CliIo): Promise<void> {
  const out = newRun('runs');
  // Its three trainings and its sample run on the same threads.
  const pool = createPool();
  try {
    // The text stays out of the run's directory until there is a run: killed before, a demo leaves nothing to speak of.
    await withTemporary((folder) => trainIn({ out, folder, seconds, pool }, io));
  } catch (error) {
    // What failed while running has left its flight recorders there.
    const nothing = error instanceof Stopped || (error instanceof FivefoldError && error.exit === 2);
    if (nothing && readManifest(out) === undefined) rmSync(out, { recursive: true, force: true });
    throw error;
  } finally {
    await pool.close();
  }
}

interface DemoRun {
  readonly out: string;
  /** For its text, until there is a run. */
  readonly folder: string;
  readonly seconds: number;
  readonly pool: WorldPool;
}

async function trainIn({ out, folder, seconds, pool }: DemoRun, io: CliIo): Promise<void> {
  const begun = performance.now();
  const secondsGone = (): number => (performance.now() - begun) / 1000;
  const colour = wantsColour(io.stdout);
  const heading = (text: string): void => writeLine(io.stdout, `\n${paint(text, 'bold', colour)}\n`);

  const corpus = findCorpus(fileURLToPath(new URL('.', import.meta.url)), corpusBytes);
  const prepared = await tokensIn(folder, corpus.files, io);
  const stepSeconds = await timeSteps({ ...settings, data: prepared, pool }, timedShare * seconds, io);
  const left = seconds - endSeconds - secondsGone();
  const steps = Math.max(fewestSteps, Math.floor(left / stepSeconds));
  writeLine(io.stdout, `a step takes ${formatSeconds(stepSeconds)} here: ${steps} steps, saved in ${out}\n`);
  const saveEvery = Math.ceil(steps / 4);
  // In the run's own directory, so that it can be gone on with on the very same text.
  const data = join(out, basename(prepared));
  copyFileSync(prepared, data);
  const { summary, plan } = await runTraining(
    { options: { ...settings, data, steps, out, saveEvery, pool }, quiet: false, introduce: true },
    io,
  );
  heading('A sample');
  io.stdout.write(sample.prompt);
  await continueText({ ...sample, model: out }, io, { pool, onText: (text) => void io.stdout.write(text) });
  writeLine(io.stdout, '');
  heading('Predicted before the run, and measured');
  showFigures(summary, plan, colour, io);
  heading('What to try next');
  for (const line of next(out, steps, io)) writeLine(io.stdout, `  ${wrapCommand(line, columnsOf(io.stdout), 2)}`);
}

/** A directory that no earlier run has: the first free of demo-1, demo-2, ... */
function newRun(parent: string): string {
  const fix = 'run the demo in a folder that can be written';
  try {
    mkdirSync(parent, { recursive: true });
  } catch (error) {
    const code = errorCode(error);
    if (!code) throw error;
    return fail('OUT_UNWRITABLE', { path: parent, problem: reasonOf(code), fix });
  }
  for (let number = 1; ; number++) {
    const out = join(parent, `demo-${number}`);
    try {
      // Fails when it is there, even if another run makes it at this moment.
      mkdirSync(out);
      return out;
    } catch (error) {
      const code = errorCode(error);
      if (code === 'EEXIST') continue;
      if (!code) throw error;
      return fail('OUT_UNWRITABLE', { path: out, problem: reasonOf(code), fix });
    }
  }
}

/** The token file of the text, shown while it takes long. */
async function tokensIn(folder: string, files: readonly string[], io: CliIo): Promise<string> {
  const preparing = showPreparing(false, io);
  try {
    const { sources } = await prepareTokens({
      sources: [{ files }],
      tokenizer: byteTokenizer,
      cacheDirectory: folder,
      signal: io.signal,
      onProgress: (progress) => preparing.show(readingText(progress)),
    });
    return sources[0]!.path;
  } catch (error) {
    throwIfStopped(io);
    throw error;
  } finally {
    preparing.end();
  }
}

/** Seconds of a step on this machine, measured for about `seconds`: the mean, as slow steps count in a long run too. */
async function timeSteps(
  options: typeof settings & { readonly data: string; readonly pool: WorldPool },
  seconds: number,
  io: CliIo,
): Promise<number> {
  const time = async (steps: number): Promise<number> => {
    const { tokensPerSecond } = await train({ ...options, steps, signal: io.signal });
    return (options.seqLen * options.globalBatch) / tokensPerSecond;
  };
  try {
    const rough = await time(3);
    return await time(Math.max(3, Math.round(seconds / rough)));
  } catch (error) {
    throwIfStopped(io);
    throw error;
  }
}

function showFigures(summary: TrainSummary, { settings }: RunPlan, colour: boolean, io: CliIo): void {
  const { steps, tokensPerSecond, modelFlopsPerSecond } = summary;
  writeLine(
    io.stdout,
    formatFigures(predictedFigures(summary, settings), measuredFigures(summary), colour, columnsOf(io.stdout)),
  );
  const [first, last] = [steps[0]!, steps.at(-1)!];
  writeLine(
    io.stdout,
    `\nloss ${first.loss.toFixed(3)} to ${last.loss.toFixed(3)} in ${steps.length} steps; ${formatCount(tokensPerSecond)} tokens/s, ${formatFlopsPerSecond(modelFlopsPerSecond)}`,
  );
}

/** Commands that work from here. */
const next = (out: string, steps: number, { program }: CliIo): string[] => [
  `${program} generate --model ${quoted(out)} --prompt 'export interface'`,
  `${program} train --resume ${quoted(out)} --layout tp=2 --steps ${steps + 200}`,
  `${program} scale`,
  `${program} train --help`,
];
