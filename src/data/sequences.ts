// Sequences out of token files: to train on, in an order that depends on the seed alone and never on the layout, and held-out ones.
import { fail, option } from '../errors.ts';
import { split } from './held-out.ts';
import { mixing, wholeShares } from './mixing.ts';
import { packedSequence } from './packed-sequence.ts';
import { openPacking, type Packing } from './packing-file.ts';
import { openPairs } from './pair-file.ts';
import { pairStream } from './pair-sequence.ts';
import { permutation } from './permutation.ts';
import type { TokenSource } from './source.ts';
import { openTokens, type TokenReader } from './token-file.ts';

/** Token ids of length seqLen; target i is the token after input i. */
export interface Sequence {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
  /** Of packed documents, else undefined, as are the next two; from 0 on in every document. */
  readonly positions?: Int32Array;
  /** The document of each position, numbered from 0 in each sequence. Padding is at the end, with numbers after them. */
  readonly documents?: Int32Array;
  /** 1 where the target counts, 0 in the padding. */
  readonly weights?: Float32Array;
  /** Of pairs of completions: which of all pairs these are. Documents 2k and 2k + 1 are the chosen and the rejected one of the k-th. */
  readonly pairs?: ArrayLike<number>;
}

/** How the sequences of one source are used. */
export interface SourceSequences {
  /** Those of an epoch. */
  readonly training: number;
  /** Those that are never trained on. */
  readonly heldOut: number;
  /** The part of all training sequences that come from it. */
  readonly share: number;
}

/** Open token files seen as sequences. */
export interface Sequences {
  readonly seqLen: number;
  /** Training sequences of all sources together: an epoch. */
  readonly count: number;
  readonly sources: readonly SourceSequences[];
  /**
   * The training sequence at this position (any integer from 0 on) of the endless order. Each source goes epoch after epoch,
   * each holding every sequence of it once, each shuffled differently; several are mixed as their weights say.
   */
  sequence(position: number): Sequence;
  /** The held-out sequences, always in the same order: source after source, each in the order of its text. */
  readonly validation: { readonly count: number; sequence(index: number): Sequence };
  /** All sequences of all sources, trained on or held out, in the order of their text. */
  readonly all: { readonly count: number; sequence(index: number): Sequence };
  /** Pairs of completions in them; 0 of other data. */
  readonly pairs: number;
  close(): void;
}

export interface SequenceOptions {
  readonly seqLen: number;
  readonly seed: number;
  /** Kept from training: below 1 the part of every source, from 1 on a number of sequences, of the sources by weight. Default 0. */
  readonly heldOut?: number;
}

/**
 * Sequence w is the seqLen + 1 tokens from w * seqLen on, so that every token but the first is a target once and nothing is padding:
 *
 *     tokens     a b c d e f g h      seqLen 3
 *     sequence 0 [a b c]d             inputs a b c, targets b c d
 *     sequence 1       [d e f]g       the last tokens, too few for a sequence, are left out
 *
 * Packed sources have the sequences of their packing instead: see `packDocuments`; pairs of completions lie as `pairSequence` draws them. Reads by position: memory does not grow with the files. Which sequences are held out: see `split`; which source a position
 * reads: see `mixing`.
 * @throws DATA_SHORT when a source has not one sequence, DATA_MISSING when a file cannot be read, OPTION_INVALID for weights
 * that cannot be mixed and a held-out part that leaves nothing to train on
 */
export function openSequences(
  sources: readonly TokenSource[],
  { seqLen, seed, heldOut = 0 }: SequenceOptions,
): Sequences {
  const mix = mixing(sources.map(({ weight = 1 }) => weight));
  const streams = openStreams(sources, seqLen);
  const close = (): void => {
    for (const stream of streams) stream.close();
  };
  try {
    const counts = streams.map(({ count }) => count);
    const kept = heldOutCounts(counts, mix.shares, heldOut);
    const parts = streams.map(({ sequence, count }, source) => {
      const { training, trainingAt, heldOutAt } = split(count, checkedHeldOut(sources[source]!, count, kept[source]!));
      const order = epochs(training, seed, source);
      return {
        training,
        heldOut: kept[source]!,
        share: mix.shares[source]!,
        trainingSequence: (index: number) => sequence(trainingAt(order(index))),
        heldOutSequence: (index: number) => sequence(heldOutAt(index)),
      };
    });
    return {
      seqLen,
      pairs: streams.reduce((sum, { pairs }) => sum + pairs, 0),
      all: {
        count: counts.reduce((a, b) => a + b, 0),
        sequence(index) {
          let left = index;
          for (const stream of streams) {
            if (left < stream.count) return stream.sequence(left);
            left -= stream.count;
          }
          throw new RangeError(`there is no sequence ${index}`);
        },
      },
      count: parts.reduce((sum, { training }) => sum + training, 0),
      sources: parts.map(({ training, heldOut, share }) => ({ training, heldOut, share })),
      sequence(position) {
        const { source, index } = mix.at(position);
        return parts[source]!.trainingSequence(index);
      },
      validation: {
        count: parts.reduce((sum, part) => sum + part.heldOut, 0),
        sequence(index) {
          let left = index;
          for (const part of parts) {
            if (left < part.heldOut) return part.heldOutSequence(left);
            left -= part.heldOut;
          }
          throw new RangeError(`there is no held-out sequence ${index}`);
        },
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

interface Stream {
  /** Sequences in it. */
  readonly count: number;
  /** Pairs of completions; 0 of other data. */
  readonly pairs: number;
  sequence(index: number): Sequence;
  close(): void;
}

function openStreams(sources: readonly TokenSource[], seqLen: number): Stream[] {
  const streams: Stream[] = [];
  try {
    for (const source of sources) {
      const firstPair = streams.reduce((sum, { pairs }) => sum + pairs, 0);
      streams.push(openStream(source, { seqLen, several: sources.length > 1, firstPair }));
    }
  } catch (error) {
    for (const stream of streams) stream.close();
    throw error;
  }
  return streams;
}

function openStream(
  { path, name = path, tokens, packing, pairs }: TokenSource,
  { seqLen, several, firstPair }: { readonly seqLen: number; readonly several: boolean; readonly firstPair: number },
): Stream {
  const reader = openTokens(path);
  try {
    if (tokens !== undefined && tokens !== reader.tokens)
      fail('DATA_MISSING', {
        path: name,
        problem: `it holds ${reader.tokens} tokens and held ${tokens} when it was prepared`,
        fix: 'start again, and leave it as it is while the run lasts',
      });
    if (packing !== undefined) return packedStream(reader, openPacking(packing, { tokens: reader.tokens, seqLen }));
    if (pairs !== undefined)
      return pairStream(reader, openPairs(pairs, { tokens: reader.tokens, seqLen }), { seqLen, firstPair });
    const count = Math.floor((reader.tokens - 1) / seqLen);
    if (count < 1) failShort(several ? name : undefined, reader.tokens, seqLen);
    return { count, pairs: 0, sequence: (index) => sequenceAt(reader, index, seqLen), close: reader.close };
  } catch (error) {
    reader.close();
    throw error;
  }
}

const packedStream = (reader: TokenReader, { sequences, seqLen, pieces, close }: Packing): Stream => ({
  count: sequences,
  pairs: 0,
  sequence: (index) => packedSequence(reader, pieces(index), seqLen),
  close() {
    reader.close();
    close();
  },
});

function failShort(path: string | undefined, tokens: number, seqLen: number): never {
  const more = path === undefined ? 'give more data' : `give more data than ${path}`;
  const fix = tokens < 2 ? more : `use ${option('seqLen')} ${tokens - 1} or less, or ${more}`;
  fail('DATA_SHORT', { seqLen, needed: seqLen + 1, tokens, fix });
}

function heldOutCounts(counts: readonly number[], shares: readonly number[], heldOut: number): number[] {
  if (heldOut === 0) return counts.map(() => 0);
  if (heldOut < 1 && heldOut > 0) return counts.map((count) => Math.max(1, Math.round(count * heldOut)));
  if (!Number.isSafeInteger(heldOut) || heldOut < 0)
    fail('OPTION_INVALID', {
      option: option('heldOut'),
      problem: `${heldOut} is neither a part between 0 and 1 nor a whole number of sequences`,
      fix: `use ${option('heldOut')} 0.05`,
    });
  return wholeShares(shares, heldOut);
}

function checkedHeldOut({ path, name = path }: TokenSource, count: number, heldOut: number): number {
  if (heldOut < count) return heldOut;
  const fix =
    count > 1
      ? `hold out ${count - 1} of them or fewer, use a smaller ${option('seqLen')}, or give more data`
      : `use a smaller ${option('seqLen')}, or give more data`;
  return fail('OPTION_INVALID', {
    option: option('heldOut'),
    problem: `${heldOut} of the ${count} sequences in ${name} are held out, which leaves none to train on`,
    fix,
  });
}

/** The endless order of one source's `count` sequences: shuffled anew in every epoch, and for every source. */
function epochs(count: number, seed: number, source: number): (index: number) => number {
  // Far more than the epochs of any run, so that no two orders have the same key.
  const key = (epoch: number): number => source * 2 ** 32 + epoch;
  let epoch = 0;
  let order = permutation(count, seed, key(epoch));
  return (index) => {
    const wanted = Math.floor(index / count);
    if (wanted !== epoch) {
      epoch = wanted;
      order = permutation(count, seed, key(epoch));
    }
    return order(index % count);
  };
}

function sequenceAt(reader: TokenReader, index: number, seqLen: number): Sequence {
  const tokens = reader.read(index * seqLen, seqLen + 1);
  return { inputs: tokens.subarray(0, seqLen), targets: tokens.subarray(1) };
}
