// The prompt of `generate`: what --prompt says, or what is piped in.
import { addAbortSignal, type Readable } from 'node:stream';
import { fail, option } from '../errors.ts';
import { type CliIo, throwIfStopped } from './io.ts';

/** Far more than any model has positions for. */
const mostBytes = 16 * 1024 * 1024;

/** `given` undefined: stdin, if something is piped into it; `-`: stdin, as it is. */
export async function promptOf(given: string | undefined, io: CliIo): Promise<string> {
  if (given !== undefined && given !== '-') return given;
  const { stdin } = io;
  if (stdin === undefined || stdin.isTTY)
    return refuse(
      given === undefined ? 'it is missing' : 'stdin is a terminal',
      `write some text, or pipe it in: echo text | fivefold generate`,
    );
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of addAbortSignal(io.signal, stdin as Readable)) {
      const part = Buffer.from(chunk as Buffer | string);
      bytes += part.length;
      if (bytes > mostBytes) return refuse(`stdin holds more than ${mostBytes} bytes`, 'pipe in less text');
      chunks.push(part);
    }
  } catch (error) {
    throwIfStopped(io);
    throw error;
  }
  if (bytes === 0)
    return refuse(
      given === undefined ? 'it is missing and stdin is empty' : 'stdin is empty',
      'write some text, or pipe it in',
    );
  return decode(Buffer.concat(chunks));
}

function decode(bytes: Uint8Array): string {
  try {
    // A byte order mark is not part of the text.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return refuse('stdin is not UTF-8 text', 'convert it to UTF-8');
  }
}

const refuse = (problem: string, fix: string): never =>
  fail('OPTION_INVALID', { option: option('prompt'), problem, fix });
