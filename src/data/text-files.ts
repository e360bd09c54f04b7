// Text files to documents, a piece at a time: folders are walked, .jsonl lines parsed, large files cut where it does no harm.
import { isUtf8 } from 'node:buffer';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FivefoldError, fail } from '../errors.ts';

/** A piece of a document, valid UTF-8 on its own. `first` starts a new document. */
export interface TextPiece {
  readonly bytes: Buffer;
  readonly first: boolean;
  /** Bytes of the file read so far. */
  readonly readBytes: number;
}

/** A file and its size in bytes. */
export interface DataFile {
  readonly path: string;
  readonly bytes: number;
}

const readFix = 'give text files, .jsonl files with a "text" field, folders of them, or .u16.bin/.i32.bin token files';

const NEWLINE = 10;
const SPACE = 32;

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/**
 * The files meant by these paths: a folder gives its files at any depth in sorted order, without those whose name starts
 * with a dot.
 * @throws DATA_MISSING for a path that is not there or cannot be read
 */
export async function listDataFiles(paths: readonly string[]): Promise<DataFile[]> {
  const files: DataFile[] = [];
  for (const path of paths) {
    try {
      const info = await stat(path);
      if (!info.isDirectory()) {
        files.push({ path, bytes: info.size });
        continue;
      }
      const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
      files.push(...(await listDataFiles(names.map((name) => join(path, name)))));
    } catch (error) {
      if (error instanceof FivefoldError) throw error;
      fail('DATA_MISSING', { path, problem: reason(error), fix: readFix });
    }
  }
  return files;
}

/**
 * The text of a file in pieces of at most `pieceBytes` bytes (a .jsonl line may be longer: it is one piece).
 * A plain file is one document; each line of a .jsonl file is one. The bytes of a piece are only valid until the next one.
 * @throws DATA_MISSING when the file cannot be read, is not UTF-8, or a line has no "text"
 */
export async function* readText(path: string, pieceBytes: number): AsyncGenerator<TextPiece> {
  if (path.endsWith('.jsonl')) {
    yield* readJsonLines(path, pieceBytes);
    return;
  }
  let first = true;
  let readBytes = 0;
  for await (const bytes of cutFile(path, pieceBytes, cutPoint)) {
    checkUtf8(path, bytes);
    const start = first && bytes.indexOf(byteOrderMark) === 0 ? byteOrderMark.length : 0;
    readBytes += bytes.length;
    if (bytes.length > start) yield { bytes: bytes.subarray(start), first, readBytes };
    first = false;
  }
}

const byteOrderMark = Buffer.from('\ufeff', 'utf8');

async function* readJsonLines(path: string, pieceBytes: number): AsyncGenerator<TextPiece> {
  let line = 0;
  let readBytes = 0;
  for await (const bytes of cutFile(path, pieceBytes, (buffer) => buffer.lastIndexOf(NEWLINE) + 1)) {
    checkUtf8(path, bytes);
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline + 1;
      const json = bytes.toString('utf8', start, end).trim();
      line += 1;
      readBytes += end - start;
      start = end;
      const text = json === '' ? '' : textField(path, line, json);
      if (text !== '') yield { bytes: Buffer.from(text, 'utf8'), first: true, readBytes };
    }
  }
}

function textField(path: string, line: number, json: string): string {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    fail('DATA_MISSING', { path, problem: `line ${line} is not JSON (${reason(error)})`, fix: 'repair that line' });
  }
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
  const file = await open(path).catch((error) => fail('DATA_MISSING', { path, problem: reason(error), fix: readFix }));
  try {
    // One byte more than a small file holds, so that it is read to its end at once; a pipe has no size.
    const { size } = await file.stat();
    let buffer = Buffer.alloc(size > 0 ? Math.min(pieceBytes, size + 1) : pieceBytes);
    let held = 0;
    for (;;) {
      const { bytesRead } = await file
        .read(buffer, held, buffer.length - held)
        .catch((error) => fail('DATA_MISSING', { path, problem: reason(error), fix: readFix }));
      held += bytesRead;
      if (bytesRead === 0) {
        if (held > 0) yield buffer.subarray(0, held);
        return;
      }
      if (held < buffer.length) continue;
      const length = cut(buffer);
      if (length === 0) {
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
  // Bytes 10xxxxxx continue a character, at most three of them.
  for (let i = end - 1; i > Math.max(0, end - 4); i -= 1) {
    if ((buffer[i]! & 0xc0) !== 0x80) return i;
  }
  return end;
}

function checkUtf8(path: string, bytes: Uint8Array): void {
  if (isUtf8(bytes)) return;
  fail('DATA_MISSING', { path, problem: 'it is not UTF-8 text', fix: 'convert it to UTF-8 or leave it out' });
}
