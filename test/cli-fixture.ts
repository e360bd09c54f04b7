// For tests of the command line: a small model and text on disk, and ways to run commands and see what they left behind.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { CliIo } from '../src/cli/io.ts';
import { main } from '../src/cli/main.ts';
import { tinyLlama } from './tiny-llama.ts';
import { typescript } from './typescript.ts';

const sentence = 'What do you split, what do you duplicate, and who does all the talking? ';

/** A directory of its own with config.json and text.txt (2,160 bytes). */
export function makeWorkplace(): { readonly path: (name: string) => string; readonly remove: () => void } {
  const root = mkdtempSync(join(tmpdir(), 'fivefold-cli-'));
  const path = (name: string): string => join(root, name);
  writeFileSync(path('config.json'), JSON.stringify(tinyLlama));
  writeFileSync(path('text.txt'), sentence.repeat(30));
  return { path, remove: () => rmSync(root, { recursive: true }) };
}

/** Every file below and a hash of what it holds, and every directory. */
export function contents(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  return Object.fromEntries(
    names.map((name) => {
      const path = join(directory, name);
      const isFile = statSync(path).isFile();
      return [name, isFile ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'directory'];
    }),
  );
}

export interface Ended {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

function collector(): { readonly stream: Writable; readonly text: () => string } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { stream, text: () => chunks.join('') };
}

/** Runs a command line in this process. */
export const run = (...argv: readonly string[]): Promise<Ended> => runWith(new AbortController().signal, ...argv);

/** The same; `signal` stops it. */
export async function runWith(signal: AbortSignal, ...argv: readonly string[]): Promise<Ended> {
  const [stdout, stderr] = [collector(), collector()];
  const io: CliIo = {
    stdout: stdout.stream,
    stderr: stderr.stream,
    signal,
    program: 'fivefold',
  };
  const exit = await main(argv, io);
  return { exit, stdout: stdout.text(), stderr: stderr.text() };
}

const entry = fileURLToPath(new URL('../src/cli/process.ts', import.meta.url));

/** Runs the real program as a process; its working directory and its temporary files are in `temporary`. `onLine` sees each line of stdout and may send it a signal. */
export function runProgram(
  argv: readonly string[],
  temporary: string,
  onLine?: (line: string, kill: (signal: 'SIGINT' | 'SIGTERM') => void) => void,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...typescript, entry, ...argv], {
      cwd: temporary,
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    let seen = 0;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      const lines = stdout.split('\n');
      for (; seen < lines.length - 1; seen++) onLine?.(lines[seen]!, (signal) => child.kill(signal));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ exit: code ?? (signal === 'SIGINT' ? -2 : -1), stdout, stderr }));
  });
}

/** The objects of a --json output; fails if a line is anything else. */
export function jsonLines(stdout: string): Record<string, unknown>[] {
  const lines = stdout.split('\n');
  if (lines.pop() !== '') throw new Error('the output does not end with a newline');
  return lines.map((line) => {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`no object: ${line}`);
    return value as Record<string, unknown>;
  });
}

export const lossesOf = (stdout: string): number[] =>
  jsonLines(stdout)
    .filter((line) => 'loss' in line)
    .map(({ loss }) => loss as number);
