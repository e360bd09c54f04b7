// What a command sees of the process: where it writes, how it is stopped, how it is called. Tests pass their own.
import { columnsOf, wrap } from './ui/wrap.ts';

export interface CliIo {
  /** Results: JSON lines, tables, generated text. */
  readonly stdout: Output;
  /** Progress, notes and errors. */
  readonly stderr: Output;
  /** Aborted with a {@link Stopped} when the user wants the command to end. */
  readonly signal: AbortSignal;
  /** How the user starts the program, for commands shown to copy: `npx fivefold`. */
  readonly program: string;
}

export type Output = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

const exits = { SIGINT: 130, SIGTERM: 143 } as const;
export type StopSignal = keyof typeof exits;

/** The user stopped the command; `exit` is 128 + the signal's number, as shells have it. */
export class Stopped extends Error {
  readonly signal: StopSignal;
  readonly exit: number;
  constructor(signal: StopSignal, detail?: string) {
    super(`stopped by ${signal === 'SIGINT' ? 'Ctrl-C' : signal}${detail ? `; ${detail}` : ''}`);
    this.name = 'Stopped';
    this.signal = signal;
    this.exit = exits[signal];
  }
}

/** Throws why the command is to end, if it is. */
export function throwIfStopped({ signal }: CliIo): void {
  if (signal.aborted) throw signal.reason;
}

/** A word of a command line as a shell takes it. */
export const quoted = (word: string): string =>
  /^[\w./:=,@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

/** On a terminal a line that is longer goes on in the next, broken between words. */
export const writeLine = (output: Output, line: string): void =>
  void output.write(`${output.isTTY ? wrap(line, columnsOf(output)) : line}\n`);

/** One JSON object on a line of its own. */
export const writeJson = (output: Output, value: Readonly<Record<string, unknown>>): void =>
  void output.write(`${JSON.stringify(value)}\n`);
