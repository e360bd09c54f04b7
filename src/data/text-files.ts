// Text files to documents, a piece at a time: .jsonl lines are parsed, large files cut where it does no harm.
import { fail } from '../errors.ts';
import { openRegularHandle, refusalOf } from '../files/regular-file.ts';
import { missing } from './list-files.ts';
import { checkText, wholeCharacters } from './text.ts';

/** A piece of a document, valid UTF-8 on its own. `first` starts a new document. */
export interface TextPiece {
  readonly bytes: Buffer;
  readonly first: boolean;
  /** Bytes of the file read so far. */
  readonly readBytes: number;
}

const NEWLINE = 10;
const SPACE = 32;

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * The text of a file in pieces of at most `pieceBytes` bytes (a .jsonl line may be longer: it is one piece).
 * A plain file is one document; each line of a .jsonl file is one. The bytes of a piece are only valid until the next one.
 * A file is read to the size it has when it is opened: one that grows for ever ends too.
 * @throws NotText, and DATA_MISSING when the file cannot be read, or a line has no "text" or is too long
 */
export async function* readText(path: string, pieceBytes: number): AsyncGenerator<TextPiece> {
  if (path.endsWith('.jsonl')) {
    yield* readJsonLines(path, pieceBytes);
    return;
  }
  let first = true;
  let readBytes = 0;
  for await (const bytes of cutFile(path, pieceBytes, cutPoint)) {
    checkText(bytes);
    const start = first && bytes.indexOf(byteOrderMark) === 0 ? byteOrderMark.length : 0;
    readBytes += bytes.length;
    if (bytes.length > start) yield { bytes: bytes.subarray(start), first, readBytes };
    first = false;
  }
}

const byteOrderMark = Buffer.from('\ufeff', 'utf8');

async function* readJsonLines(path: string, pieceBytes: number): AsyncGenerator<TextPiece> {
  for await (const { line, value, readBytes } of readJsonValues(path, pieceBytes)) {
    const text = textField(path, line, value);
    if (text !== '') yield { bytes: Buffer.from(text, 'utf8'), first: true, readBytes };
  }
}

/** The value of a line of a .jsonl file. */
export interface JsonLine {
  /** From 1. */
  readonly line: number;
  readonly value: unknown;
  /** Bytes of the file read so far. */
  readonly readBytes: number;
}

/**
 * The values of a .jsonl file, without its empty lines.
 * @throws NotText, and DATA_MISSING when the file cannot be read, or a line is not JSON or too long
 */
export async function* readJsonValues(path: string, pieceBytes = 1 << 20): AsyncGenerator<JsonLine> {
  let line = 0;
  let readBytes = 0;
  for await (const bytes of cutFile(path, pieceBytes, (buffer) => buffer.lastIndexOf(NEWLINE) + 1)) {
    checkText(bytes);
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline + 1;
      const json = bytes.toString('utf8', start, end).trim();
      line += 1;
      readBytes += end - start;
      start = end;
      if (json !== '') yield { line, value: jsonOf(path, line, json), readBytes };
    }
  }
}

function jsonOf(path: string, line: number, json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    return fail('DATA_MISSING', {
      path,
      problem: `line ${line} is not JSON (${reason(error)})`,
      fix: 'repair that line',
    });
  }
}

function textField(path: string, line: number, value: unknown): string {
  const text = typeof value === 'object' && value !== null && 'text' in value ? value.text : undefined;
  if (typeof text !== 'string') {
    fail('DATA_MISSING', {
      path,
      problem: `line ${line} has no string "text"`,
      fix: 'name the text of each line "text"',
    });
  }
  return text;
}

/**
 * Reads a file through one buffer and cuts it where `cut` says: it gets what is in the buffer and returns how many bytes
 * to hand out, 0 for "read more" (the buffer grows). At the end of the file the rest comes out uncut.
 */
async function* cutFile(path: string, pieceBytes: number, cut: (buffer: Buffer) => number): AsyncGenerator<Buffer> {
  const file = await openRegularHandle(path, (refusal) => missing(path, refusal));
  const failing = (error: unknown): never => missing(path, refusalOf(error));
  try {
    const { size } = await file.stat().catch(failing);
    let buffer = Buffer.alloc(Math.min(pieceBytes, size));
    let held = 0;
    for (let left = size; ; ) {
      const { bytesRead } = await file.read(buffer, held, Math.min(buffer.length - held, left)).catch(failing);
      left -= bytesRead;
      held += bytesRead;
      if (bytesRead === 0 || left === 0) {
        if (held > 0) yield buffer.subarray(0, held);
        return;
      }
      if (held < buffer.length) continue;
      const length = cut(buffer);
      if (length === 0) {
        // A large file that is no text may have no lines.
        checkText(buffer.subarray(0, wholeCharacters(buffer)));
        if (buffer.length >= mostLineBytes) missing(path, longLine);
        buffer = Buffer.concat([buffer, Buffer.alloc(buffer.length)]);
        continue;
      }
      yield buffer.subarray(0, length);
      buffer.copyWithin(0, length, held);
      held -= length;
    }
  } finally {
    await file.close();
  }
}

/** Half of what a string can hold, so that a line and what is made of it fit. */
const mostLineBytes = 1 << 28;
const longLine = {
  problem: `it has a line of more than ${mostLineBytes} bytes`,
  fix: 'put each document on a line of its own',
};

/**
 * Where to cut a text so that tokenizing the parts gives what tokenizing the whole gives: after a lone newline between
 * two characters that are not white space. There the byte-pair tokenizers in use (the pre-tokenizers of GPT-2, Llama 3
 * and Qwen) start a new word whatever comes before. Without such a place in the last half: after the last newline, after
 * the last space, or between any two characters; then a few tokens at the cut can differ (not with bytes as tokens).
 */
export function cutPoint(buffer: Uint8Array): number {
  const end = buffer.length;
  for (let i = end - 2; i > end / 2; i -= 1) {
    if (buffer[i] === NEWLINE && buffer[i - 1]! > SPACE && buffer[i + 1]! > SPACE) return i + 1;
  }
  const newline = buffer.lastIndexOf(NEWLINE);
  if (newline > 0) return newline + 1;
  const space = buffer.lastIndexOf(SPACE);
  if (space > 0) return space;
  return wholeCharacters(buffer);
}
