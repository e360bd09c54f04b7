// Training sequences out of a token file, in an order that depends on the seed alone and never on the layout.
import { fail, option } from '../errors.ts';
import { permutation } from './permutation.ts';
import { openTokens } from './token-file.ts';

/** Token ids of length seqLen; target i is the token after input i. Both are views of one buffer. */
export interface Sequence {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
}

/** An open token file seen as sequences. */
export interface Sequences {
  readonly seqLen: number;
  /** Sequences in an epoch. */
  readonly count: number;
  /**
   * The sequence at this position (any integer from 0 on) of the endless order: epoch after epoch, each holding every
   * sequence once, each shuffled differently.
   */
  sequence(globalIndex: number): Sequence;
  close(): void;
}

/**
 * Sequence w is the seqLen + 1 tokens from w * seqLen on, so that every token but the first is a target once and nothing is padding:
 *
 *     tokens     a b c d e f g h      seqLen 3
 *     sequence 0 [a b c]d             inputs a b c, targets b c d
 *     sequence 1       [d e f]g       the last tokens, too few for a sequence, are left out
 *
 * Reads by position: memory does not grow with the file.
 * @param tokenFile of `prepareTokens`: Int32, or Uint16 when it ends in .u16.bin
 * @throws DATA_SHORT when there is not one sequence, DATA_MISSING when the file cannot be read
 */
export function openSequences(
  tokenFile: string,
  { seqLen, seed }: { readonly seqLen: number; readonly seed: number },
): Sequences {
  const reader = openTokens(tokenFile);
  const count = Math.floor((reader.tokens - 1) / seqLen);
  if (count < 1) {
    reader.close();
    const longest = reader.tokens - 1;
    const fix = longest < 1 ? 'give more data' : `use ${option('seqLen')} ${longest} or less, or give more data`;
    fail('DATA_SHORT', { seqLen, needed: seqLen + 1, tokens: reader.tokens, fix });
  }
  let epoch = 0;
  let order = permutation(count, seed, epoch);
  return {
    seqLen,
    count,
    sequence(globalIndex) {
      const wanted = Math.floor(globalIndex / count);
      if (wanted !== epoch) {
        epoch = wanted;
        order = permutation(count, seed, epoch);
      }
      const tokens = reader.read(order(globalIndex % count) * seqLen, seqLen + 1);
      return { inputs: tokens.subarray(0, seqLen), targets: tokens.subarray(1) };
    },
    close: () => reader.close(),
  };
}

/** Positions [first, first + count) of the endless order. */
export interface Share {
  readonly first: number;
  readonly count: number;
}

/**
 * The part of a step's global batch that one of `replicas` data-parallel ranks works on: a contiguous run, in rank order.
 * @param step from 0
 * @throws LAYOUT_INDIVISIBLE when the replicas cannot have equal parts
 */
export function shareOf(step: number, globalBatch: number, replica: number, replicas: number): Share {
  if (globalBatch % replicas !== 0) {
    const fix = `a global batch that is a multiple of ${replicas}`;
    fail('LAYOUT_INDIVISIBLE', { axis: 'dp*ep', size: replicas, what: 'the global batch', total: globalBatch, fix });
  }
  const count = globalBatch / replicas;
  return { first: step * globalBatch + replica * count, count };
}
