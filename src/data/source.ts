// What a training run reads: one source or several, each a stream of tokens of its own, mixed by weight.
import { fail, option } from '../errors.ts';
import type { PackedStatistics } from './packing-file.ts';
import type { PairStatistics } from './pair-file.ts';

/** Files that make one stream of tokens. */
export interface DataFiles {
  /**
   * Text files (each one document), .jsonl files (a document a line, in its "text"), folders of them in sorted order, or
   * tokens already: .u16.bin (Uint16) and .i32.bin (Int32), little-endian.
   */
  readonly files: readonly string[];
  /** Its share of the sequences, against the other sources' weights; default 1. */
  readonly weight?: number;
}

/** A stream of tokens in a file, ready for `openSequences`. */
export interface TokenSource {
  readonly path: string;
  /** What it was made from, for messages: the file itself may be a temporary one. */
  readonly name?: string;
  /** Refused when the file holds another number; unchecked without it. */
  readonly tokens?: number;
  readonly weight?: number;
  /** The file that says how its documents are packed into sequences: see packing-file.ts. Without it they are one endless text. */
  readonly packing?: string;
  /** The file that says where pairs of completions lie in it: see pair-file.ts. */
  readonly pairs?: string;
}

/** A stream that `prepareTokens` made or looked through. */
export interface PreparedSource extends TokenSource {
  readonly tokens: number;
  /** Documents that are not empty; a token file counts as one. */
  readonly documents: number;
  /**
   * The identity of the data: SHA-256 in hex of its tokens as little-endian Int32, in whichever file they are. Of packed documents it
   * is that of these 32 bytes and of where each document begins, and the stream ends, as little-endian Float64; of pairs, of where each lies.
   */
  readonly sha256: string;
  readonly packed?: PackedStatistics;
  readonly ofPairs?: PairStatistics;
}

/** Streams that are mixed are read by every rank at the same time, each through an open file. */
const mostSources = 64;

/**
 * Without `mix` all paths make one stream; with it each path is a source, with the weight that stands at its place.
 * @throws OPTION_INVALID
 */
export function dataSources(paths: readonly string[], mix?: readonly number[]): DataFiles[] {
  if (mix === undefined) return [{ files: paths }];
  if (mix.length !== paths.length)
    fail('OPTION_INVALID', {
      option: option('mix'),
      problem: `${mix.length} weights for ${paths.length} paths of ${option('data')}`,
      fix: 'give one weight for each path',
    });
  return paths.map((path, index) => ({ files: [path], weight: mix[index]! }));
}

/** @throws OPTION_INVALID when there are no sources or too many, or a weight is no number above 0 */
export function checkWeights(weights: readonly number[]): void {
  if (weights.length === 0)
    fail('OPTION_INVALID', {
      option: option('data'),
      problem: 'there are no sources',
      fix: 'give text files or folders to train on',
    });
  if (weights.length > mostSources)
    fail('OPTION_INVALID', {
      option: option('mix'),
      problem: `${weights.length} sources are more than ${mostSources}`,
      fix: 'put those of the same weight into one folder',
    });
  const wrong = weights.find((weight) => !(Number.isFinite(weight) && weight > 0));
  if (wrong !== undefined)
    fail('OPTION_INVALID', {
      option: option('mix'),
      problem: `the weight ${wrong} is not a number above 0`,
      fix: 'leave out what is not to be trained on',
    });
}
