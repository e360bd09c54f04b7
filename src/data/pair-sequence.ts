// A sequence of pairs: the chosen and the rejected completion of each are documents side by side.
//
//     prompt a b, chosen c d, rejected e      inputs     a b c a b . .
//                                             targets    b c d b e . .
//                                             weights    0 1 1 0 1 0 0
//                                             positions  0 1 2 0 1 0 0
//                                             documents  0 0 0 1 1 2 3
//
// Each token of the padding is a document: it sees itself alone, at position 0, which every model has.
import type { PairFile } from './pair-file.ts';
import type { TokenReader } from './token-file.ts';

export interface PairSequence {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
  readonly positions: Int32Array;
  readonly documents: Int32Array;
  /** 1 where the target is of a completion. */
  readonly weights: Float32Array;
  readonly pairs: Float64Array;
}

/** @param firstPair the number of the file's first pair among those of all sources */
function pairSequence(
  reader: TokenReader,
  file: PairFile,
  sequence: number,
  { seqLen, firstPair }: { readonly seqLen: number; readonly firstPair: number },
): PairSequence {
  const held = file.held(sequence);
  const of = () => new Int32Array(seqLen);
  const row = { inputs: of(), targets: of(), positions: of(), documents: of(), weights: new Float32Array(seqLen) };
  let at = 0;
  for (const [k, pair] of held.entries()) {
    const { start, prompt, chosen, rejected } = file.place(pair);
    const tokens = reader.read(start, chosen + rejected);
    for (const [side, ids] of [tokens.subarray(0, chosen), tokens.subarray(chosen)].entries()) {
      const end = at + ids.length - 1;
      row.inputs.set(ids.subarray(0, -1), at);
      row.targets.set(ids.subarray(1), at);
      for (let i = at; i < end; i++) row.positions[i] = i - at;
      row.documents.fill(2 * k + side, at, end);
      row.weights.fill(1, at + prompt - 1, end);
      at = end;
    }
  }
  for (let i = at; i < seqLen; i++) row.documents[i] = 2 * held.length + (i - at);
  return { ...row, pairs: held.map((pair) => firstPair + pair) };
}

/** The sequences of a stream of pairs. */
export const pairStream = (
  reader: TokenReader,
  file: PairFile,
  where: { readonly seqLen: number; readonly firstPair: number },
) => ({
  count: file.sequences,
  pairs: file.pairs,
  sequence: (index: number) => pairSequence(reader, file, index, where),
  close() {
    reader.close();
    file.close();
  },
});
