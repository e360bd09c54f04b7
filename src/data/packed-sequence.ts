// A packed sequence: its tokens, and which of them belong together.
import type { TokenReader } from './token-file.ts';

/** One position of each array for one token; documents are numbered from 0, padding has the number after them. */
export interface PackedSequence {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
  /** From 0 on in every document, and in the padding. */
  readonly positions: Int32Array;
  readonly documents: Int32Array;
  /** 1 where the target counts, 0 in the padding, whose tokens and targets are 0. */
  readonly weights: Float32Array;
}

/** @param pieces start and length of each, as `Packing.pieces` gives them */
export function packedSequence(reader: TokenReader, pieces: Float64Array, seqLen: number): PackedSequence {
  const numbers = new Int32Array(4 * seqLen);
  const [inputs, targets, positions, documents] = [0, 1, 2, 3].map((k) =>
    numbers.subarray(k * seqLen, (k + 1) * seqLen),
  ) as [Int32Array, Int32Array, Int32Array, Int32Array];
  const weights = new Float32Array(seqLen);
  let begin = 0;
  const number = (document: number, end: number): void => {
    for (let at = begin; at < end; at += 1) positions[at] = at - begin;
    documents.fill(document, begin, end);
    begin = end;
  };
  for (let piece = 0; 2 * piece < pieces.length; piece += 1) {
    const length = pieces[2 * piece + 1]!;
    const tokens = reader.read(pieces[2 * piece]!, length + 1);
    inputs.set(tokens.subarray(0, length), begin);
    targets.set(tokens.subarray(1), begin);
    number(piece, begin + length);
  }
  weights.fill(1, 0, begin);
  number(pieces.length / 2, seqLen);
  return { inputs, targets, positions, documents, weights };
}
