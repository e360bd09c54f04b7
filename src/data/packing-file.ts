// The file beside a stream of tokens that says which pieces of documents each packed sequence holds.
import { closeSync, fstatSync } from 'node:fs';
import { type AbortSignalLike, throwIfAborted } from '../abort-signal.ts';
import { fail } from '../errors.ts';
import { openRegular } from '../files/regular-file.ts';
import { createNumberList } from './number-list.ts';
import { type DocumentBounds, packDocuments, readableDocuments } from './packing.ts';
import { PendingFile } from './pending-file.ts';
import { readAt } from './token-file.ts';

// All are little-endian Float64, which hold every position of a file:
//
//     header   mark, seqLen, tokens of the stream, documents, filled, sequences, pieces
//     pieces   start and length of each, sequence after sequence
//     firsts   the number of each sequence's first piece, and that of all pieces
const mark = 0x5061636b;
const headerLength = 7;
const bytesEach = Float64Array.BYTES_PER_ELEMENT;
const piecesAt = headerLength * bytesEach;

export interface PackedStatistics {
  /** Those of at least two tokens, the end of text included: others have nothing to predict. */
  readonly documents: number;
  readonly sequences: number;
  /** Positions of all sequences that hold a token; the others are padding. */
  readonly filled: number;
}

export const addPacked = (a: PackedStatistics, b: PackedStatistics): PackedStatistics => ({
  documents: a.documents + b.documents,
  sequences: a.sequences + b.sequences,
  filled: a.filled + b.filled,
});

export interface PackingOptions {
  readonly path: string;
  readonly seqLen: number;
  readonly signal?: AbortSignalLike | undefined;
}

/**
 * Packs the documents of a stream, and writes how: see `packDocuments`. The file waits for its `publish`.
 * @throws OUT_UNWRITABLE, RUN_ABORTED
 */
export async function writePacking(
  bounds: DocumentBounds,
  { path, seqLen, signal }: PackingOptions,
): Promise<{ readonly file: PendingFile; readonly packed: PackedStatistics }> {
  const file = await PendingFile.create(path);
  try {
    const out = createNumbersOut(file, signal);
    await out.write(new Float64Array(headerLength));
    const firsts = createNumberList();
    let pieces = 0;
    let filled = 0;
    for (const sequence of packDocuments(bounds, seqLen)) {
      firsts.push(pieces);
      pieces += sequence.length / 2;
      for (let at = 1; at < sequence.length; at += 2) filled += sequence[at]!;
      const wait = out.write(sequence);
      if (wait) await wait;
    }
    const sequences = firsts.length;
    firsts.push(pieces);
    await out.write(firsts.view());
    await out.flush();
    const tokens = bounds.at(-1)!;
    const documents = readableDocuments(bounds);
    const header = Float64Array.of(mark, seqLen, tokens, documents, filled, sequences, pieces);
    await file.write(new Uint8Array(header.buffer), 0);
    await file.finish();
    return { file, packed: { documents, sequences, filled } };
  } catch (error) {
    await file.abort();
    throw error;
  }
}

interface NumbersOut {
  /** A promise only when the file is written: most calls need none. */
  write(numbers: Float64Array): Promise<void> | undefined;
  flush(): Promise<void>;
}

function createNumbersOut(file: PendingFile, signal: AbortSignalLike | undefined): NumbersOut {
  const buffer = new Float64Array(1 << 17);
  let held = 0;
  let written = 0;
  const flush = async (): Promise<void> => {
    throwIfAborted(signal);
    await file.write(new Uint8Array(buffer.buffer, 0, held * bytesEach), written * bytesEach);
    written += held;
    held = 0;
  };
  const writeLong = async (numbers: Float64Array): Promise<void> => {
    for (let start = 0; start < numbers.length; ) {
      const part = numbers.subarray(start, start + buffer.length - held);
      buffer.set(part, held);
      held += part.length;
      start += part.length;
      if (held === buffer.length) await flush();
    }
  };
  return {
    flush,
    write(numbers) {
      if (held + numbers.length >= buffer.length) return writeLong(numbers.slice());
      buffer.set(numbers, held);
      held += numbers.length;
      return undefined;
    },
  };
}

/** The packed sequences of a stream; holds an open file, so close it. */
export interface Packing {
  readonly sequences: number;
  readonly seqLen: number;
  /** Start and length of each piece of a sequence, in order. */
  pieces(sequence: number): Float64Array;
  close(): void;
}

/** @throws DATA_MISSING when the file cannot be read or is not that of a stream of so many tokens and this sequence length */
export function openPacking(path: string, expected: { readonly tokens: number; readonly seqLen: number }): Packing {
  const broken = (problem: string): never =>
    fail('DATA_MISSING', { path, problem, fix: 'start again, and leave it as it is while the run lasts' });
  const file = openRegular(path, ({ problem }) => broken(problem));
  const read = (first: number, count: number): Float64Array => {
    const numbers = new Float64Array(count);
    if (!readAt(file, numbers, first)) broken('it ends too early');
    return numbers;
  };
  try {
    const [begin, seqLen, tokens, , , sequences, pieces] = read(0, headerLength) as unknown as readonly number[];
    const { size } = fstatSync(file);
    if (begin !== mark || size !== piecesAt + (2 * pieces! + sequences! + 1) * bytesEach || !(sequences! > 0))
      broken('it does not say how documents are packed');
    if (seqLen !== expected.seqLen || tokens !== expected.tokens)
      broken(`it packs ${tokens} tokens into sequences of ${seqLen}, not ${expected.tokens} into ${expected.seqLen}`);
    const firstsAt = piecesAt + 2 * pieces! * bytesEach;
    return {
      sequences: sequences!,
      seqLen: expected.seqLen,
      pieces(sequence) {
        const [first, end] = read(firstsAt + sequence * bytesEach, 2) as unknown as readonly [number, number];
        if (!(isIndex(first) && isIndex(end) && first < end && end <= pieces! && end - first <= seqLen!))
          broken(`sequence ${sequence} is none`);
        const found = read(piecesAt + 2 * first * bytesEach, 2 * (end - first));
        if (!isSequence(found, expected)) broken(`sequence ${sequence} is none`);
        return found;
      },
      close: () => closeSync(file),
    };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

const isIndex = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Whether the pieces are in the stream, each with a token after it, and fit a sequence. */
function isSequence(pieces: Float64Array, { tokens, seqLen }: { readonly tokens: number; readonly seqLen: number }) {
  let filled = 0;
  for (let at = 0; at < pieces.length; at += 2) {
    const [start, length] = [pieces[at]!, pieces[at + 1]!];
    if (!isIndex(start) || !isIndex(length) || length === 0 || start + length >= tokens) return false;
    filled += length;
  }
  return filled <= seqLen;
}
