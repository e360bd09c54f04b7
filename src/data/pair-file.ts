// The file beside a stream of tokens that says where each pair of completions lies, and which pairs each sequence holds.
import { closeSync, fstatSync } from 'node:fs';
import { fail } from '../errors.ts';
import { openRegular } from '../files/regular-file.ts';
import { createNumberList } from './number-list.ts';
import { packDocuments } from './packing.ts';
import { PendingFile } from './pending-file.ts';
import { readAt } from './token-file.ts';

// All are little-endian Float64, which hold every position of a file:
//
//     header   mark, seqLen, tokens of the stream, pairs, sequences
//     pairs    start in the stream, tokens of the prompt, of the chosen with its prompt, of the rejected with it, which follows at once
//     firsts   where each sequence begins in the list below, and that list's length
//     held     the pairs of each sequence, sequence after sequence
const mark = 0x50616972;
const headerLength = 5;
const pairLength = 4;
const bytesEach = Float64Array.BYTES_PER_ELEMENT;

/** Where the tokens of a pair lie in the stream. */
export interface PairPlace {
  readonly start: number;
  readonly prompt: number;
  readonly chosen: number;
  readonly rejected: number;
}

/** What a pair takes of a sequence: the last token of a completion is only predicted. */
const inputsOf = ({ chosen, rejected }: Pick<PairPlace, 'chosen' | 'rejected'>): number => chosen - 1 + (rejected - 1);

export interface PairStatistics {
  readonly pairs: number;
  /** Pairs of which a completion lost its end. */
  readonly cut: number;
  readonly sequences: number;
  /** Pairs of the sequence that has most of them. */
  readonly most: number;
  /** Positions of all sequences that hold a token. */
  readonly filled: number;
}

export const addPairs = (a: PairStatistics, b: PairStatistics): PairStatistics => ({
  pairs: a.pairs + b.pairs,
  cut: a.cut + b.cut,
  sequences: a.sequences + b.sequences,
  most: Math.max(a.most, b.most),
  filled: a.filled + b.filled,
});

export interface PairFileOptions {
  readonly path: string;
  /** Positions of a sequence: at least what any pair takes. */
  readonly seqLen: number;
  /** As many pairs in a sequence as fit, in place of one. */
  readonly pack: boolean;
  /** Of the stream. */
  readonly tokens: number;
  /** By pair: start, prompt, chosen, rejected. */
  readonly places: Float64Array;
}

/** Deals the pairs out to sequences, and writes how. The file waits for its `publish`. @throws OUT_UNWRITABLE */
export async function writePairs({ path, seqLen, pack, tokens, places }: PairFileOptions) {
  const pairs = places.length / pairLength;
  const [firsts, held] = [createNumberList(), createNumberList()];
  let most = 0;
  for (const sequence of pack ? packed(places, seqLen) : alone(pairs)) {
    firsts.push(held.length);
    for (const pair of sequence) held.push(pair);
    most = Math.max(most, sequence.length);
  }
  const sequences = firsts.length;
  firsts.push(held.length);
  const file = await PendingFile.create(path);
  try {
    let at = 0;
    for (const part of [Float64Array.of(mark, seqLen, tokens, pairs, sequences), places, firsts.view(), held.view()]) {
      await file.write(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
      at += part.byteLength;
    }
    await file.finish();
  } catch (error) {
    await file.abort();
    throw error;
  }
  let filled = 0;
  for (let pair = 0; pair < pairs; pair++) filled += inputsOf(placeAt(places, pair));
  return { file, statistics: { pairs, sequences, most, filled } };
}

function* alone(pairs: number): Generator<readonly number[]> {
  for (let pair = 0; pair < pairs; pair++) yield [pair];
}

/** To the packing of documents a pair is one, of as many tokens as both its completions: it is never cut. */
function* packed(places: Float64Array, seqLen: number): Generator<readonly number[]> {
  const pairs = places.length / pairLength;
  const bounds = new Float64Array(pairs + 1);
  const pairAt = new Map<number, number>();
  for (let pair = 0; pair < pairs; pair++) {
    pairAt.set(bounds[pair]!, pair);
    bounds[pair + 1] = bounds[pair]! + inputsOf(placeAt(places, pair)) + 1;
  }
  for (const pieces of packDocuments(bounds, seqLen))
    yield Array.from({ length: pieces.length / 2 }, (_, piece) => pairAt.get(pieces[2 * piece]!)!);
}

const placeAt = (places: Float64Array, pair: number): PairPlace => {
  const [start, prompt, chosen, rejected] = places.subarray(pairLength * pair) as unknown as readonly number[];
  return { start: start!, prompt: prompt!, chosen: chosen!, rejected: rejected! };
};

/** The pairs of a stream by sequence; holds an open file, so close it. */
export interface PairFile {
  readonly pairs: number;
  readonly sequences: number;
  /** The pairs of a sequence by their numbers, in order. */
  held(sequence: number): Float64Array;
  place(pair: number): PairPlace;
  close(): void;
}

/** @throws DATA_MISSING when the file cannot be read or is not that of a stream of so many tokens and this sequence length */
export function openPairs(path: string, expected: { readonly tokens: number; readonly seqLen: number }): PairFile {
  const broken = (problem: string): never =>
    fail('DATA_MISSING', { path, problem, fix: 'start again, and leave it as it is while the run lasts' });
  const file = openRegular(path, ({ problem }) => broken(problem));
  const read = (first: number, count: number): Float64Array => {
    const numbers = new Float64Array(count);
    if (!readAt(file, numbers, first * bytesEach)) broken('it ends too early');
    return numbers;
  };
  try {
    const [begin, seqLen, tokens, pairs, sequences] = read(0, headerLength) as unknown as readonly number[];
    const firstsAt = headerLength + pairLength * pairs!;
    const heldAt = firstsAt + sequences! + 1;
    if (begin !== mark || fstatSync(file).size !== (heldAt + pairs!) * bytesEach)
      broken('it does not say where pairs lie');
    if (seqLen !== expected.seqLen || tokens !== expected.tokens)
      broken(
        `it deals ${tokens} tokens out to sequences of ${seqLen}, not ${expected.tokens} to those of ${expected.seqLen}`,
      );
    return {
      pairs: pairs!,
      sequences: sequences!,
      held(sequence) {
        const [first, end] = read(firstsAt + sequence, 2) as unknown as readonly [number, number];
        if (!(first >= 0 && first < end && end <= pairs!)) broken(`sequence ${sequence} is none`);
        return read(heldAt + first, end - first);
      },
      place(pair) {
        const place = placeAt(read(headerLength + pairLength * pair, pairLength), 0);
        if (!(place.start >= 0 && place.prompt > 0 && place.start + place.chosen + place.rejected <= tokens!))
          broken(`pair ${pair} is none`);
        return place;
      },
      close: () => closeSync(file),
    };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}
