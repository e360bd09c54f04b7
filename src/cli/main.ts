// The command line: commands, help, and how every error ends.
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { FivefoldError } from '../errors.ts';
import { addAccuracy } from './accuracy.ts';
import { addCalibrate } from './calibrate.ts';
import { addDemo } from './demo.ts';
import { addDescribe } from './describe.ts';
import { addExplain } from './explain.ts';
import { addGenerate } from './generate.ts';
import { type CliIo, Stopped, writeLine } from './io.ts';
import { flagOf } from './options.ts';
import { addPlan } from './plan.ts';
import { addPredict } from './predict.ts';
import { addScale } from './scale.ts';
import { addTrain } from './train.ts';
import { columnsOf, flow } from './ui/wrap.ts';

/**
 * Runs a command line (without the program's own name) and returns its exit status: 0, 1 after a failure while running,
 * 2 after bad input, 130 or 143 when the user stopped it. Every error is one line on stderr.
 */
export async function main(argv: readonly string[], io: CliIo): Promise<number> {
  const program = createProgram(io);
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    return report(error, argv, io);
  }
}

function createProgram(io: CliIo): Command {
  const columns = Math.min(120, columnsOf(io.stdout));
  const program = new Command('fivefold')
    .description('Predict, run and ship one LLM split over devices.')
    .version(version(), '--version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(flow(text, columns)),
      getOutHelpWidth: () => columns,
      // What commander has to say about an error comes with the error too, and is said once.
      writeErr: () => {},
    })
    .configureHelp({ showGlobalOptions: true });
  for (const add of [
    addTrain,
    addGenerate,
    addScale,
    addDescribe,
    addPredict,
    addPlan,
    addExplain,
    addAccuracy,
    addCalibrate,
    addDemo,
  ])
    add(program, io);
  program.addHelpText(
    'after',
    `\nSee how a command is used: fivefold train --help\nTry it out, without any data of your own: fivefold demo`,
  );
  return program;
}

/** Of the package, two folders up from here in src/ and in dist/. */
function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function report(error: unknown, argv: readonly string[], io: CliIo): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  const { line, exit } = lineOf(error, argv);
  // A terminal shows ^C where the bar is, perhaps wrapped into this line.
  writeLine(io.stderr, `${io.stderr.isTTY ? '\r\x1b[2K' : ''}fivefold: ${line}`);
  if (argv.includes('--debug') && error instanceof Error && error.stack) writeLine(io.stderr, error.stack);
  return exit;
}

function lineOf(error: unknown, argv: readonly string[]): { line: string; exit: number } {
  if (error instanceof CommanderError) {
    const problem = oneLine(error.message.replace(/^error: /, '')).replace(/\.$/, '');
    const command =
      argv[0] && !argv[0].startsWith('-') && error.code !== 'commander.unknownCommand' ? ` ${argv[0]}` : '';
    return { line: `${problem}; see fivefold${command} --help`, exit: 2 };
  }
  if (error instanceof FivefoldError) return { line: oneLine(error.text(flagOf)), exit: error.exit };
  if (error instanceof Stopped) return { line: oneLine(error.message), exit: error.exit };
  const message = error instanceof Error ? error.message : String(error);
  return { line: `${oneLine(message)}; --debug shows where this happened`, exit: 1 };
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ' ');
