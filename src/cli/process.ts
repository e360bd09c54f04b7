// Runs the command line as this process: its arguments, streams, signals and exit status.
import { constants } from 'node:os';
import { basename, relative } from 'node:path';
import { type CliIo, Stopped, type StopSignal } from './io.ts';
import { main } from './main.ts';
import { endProcess, makeOneShot } from './system.ts';

/** Ends the process when the command has: worker threads and timers that are left over do not keep it. */
export async function runProcess(): Promise<void> {
  const signal = stopSignal();
  // Whoever read our output has gone, as `head` does: there is nobody left to tell.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const io: CliIo = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal,
    program: programOf(process.argv[1] ?? 'fivefold'),
  };
  const exit = await main(process.argv.slice(2), io);
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  endProcess(exit);
}

/** Aborted by the first signal to stop; the second ends the process, whatever it is doing. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM'] satisfies StopSignal[];
  for (const name of names)
    process.on(name, () => {
      const stopped = new Stopped(name);
      // One of each kind came.
      if (controller.signal.aborted) endProcess(stopped.exit);
      controller.abort(stopped);
    });
  makeOneShot(names.map((name) => constants.signals[name]));
  return controller.signal;
}

/** A pipe is written in the background, and exiting would cut it off. */
const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => stream.write('', () => resolve()));

function programOf(script: string): string {
  const name = basename(script);
  if (name === 'fivefold') return script.includes('node_modules') ? 'npx fivefold' : 'fivefold';
  if (name === 'fivefold.js') return `node ${relative('', script)}`;
  return `node --import tsx ${relative('', script)}`;
}

// Started by its own name from source; bin/fivefold.js imports the built file and calls it.
if (process.argv[1]?.endsWith('process.ts')) await runProcess();
