// Which tokens of a sequence a rank of cp holds, and which it looks at.
//
// A causal mask gives late tokens more to do than early ones. With cp=2 in four pieces, zigzag: rank 0 holds the first and the last,
// rank 1 the two between, and both look at as much. Under ulysses every rank looks at all tokens with some heads, so that they lie in order.
import type { Layout } from './layout.ts';

/** Tokens [start, end) of a sequence. */
export type TokenRange = readonly [start: number, end: number];

type Sharing = Pick<Layout, 'cp' | 'cpMode'>;

/** In how many equal pieces a sequence is cut. */
export const sequencePieces = ({ cp, cpMode }: Sharing): number => (cp === 1 || cpMode === 'ulysses' ? cp : 2 * cp);

/** The tokens that a rank of cp holds, in its order. */
export function ownTokens(sharing: Sharing, seqLen: number, rank: number): TokenRange[] {
  const pieces = sequencePieces(sharing);
  const size = seqLen / pieces;
  const piece = (index: number): TokenRange => [index * size, (index + 1) * size];
  return pieces === sharing.cp ? [piece(rank)] : [piece(rank), piece(pieces - 1 - rank)];
}

/** The tokens that a rank's queries are of. */
export const queryTokens = (sharing: Sharing, seqLen: number, rank: number): TokenRange[] =>
  sharing.cpMode === 'ulysses' ? [[0, seqLen]] : ownTokens(sharing, seqLen, rank);

/** The ranks of cp whose tokens a rank's keys are of, block by block: in a ring first its own, then the rank before it, and so on. */
export function keyMembers({ cp, cpMode }: Sharing, rank: number): number[][] {
  const members = Array.from({ length: cp }, (_, i) => i);
  return cpMode === 'ring' ? members.map((step) => [(rank - step + cp) % cp]) : [members];
}

/** The ranks of cp whose tokens a rank's queries are of. */
export const queryMembers = ({ cp, cpMode }: Sharing, rank: number): number[] =>
  cpMode === 'ulysses' ? Array.from({ length: cp }, (_, i) => i) : [rank];

/** The tokens that a rank's keys are of, block by block. */
export const keyTokens = (sharing: Sharing, seqLen: number, rank: number): TokenRange[][] =>
  keyMembers(sharing, rank).map((members) => members.flatMap((member) => ownTokens(sharing, seqLen, member)));

/** Which blocks of keys are not of the rank's own tokens: they need to be told where those stand. */
export const foreignBlocks = ({ cp, cpMode }: Sharing): number[] =>
  cpMode === 'ring' ? Array.from({ length: cp - 1 }, (_, i) => i + 1) : [0];

/** The rank of cp that holds a token, and which of its tokens that is. */
export function holderOf(
  sharing: Sharing,
  seqLen: number,
  token: number,
): { readonly rank: number; readonly at: number } {
  const pieces = sequencePieces(sharing);
  const size = seqLen / pieces;
  const piece = Math.floor(token / size);
  const isSecond = pieces > sharing.cp && piece >= sharing.cp;
  return { rank: isSecond ? pieces - 1 - piece : piece, at: (token % size) + (isSecond ? size : 0) };
}

export const countTokens = (ranges: readonly TokenRange[]): number =>
  ranges.reduce((sum, [start, end]) => sum + end - start, 0);

/** Calls `visit` for every range, with its place among the tokens of all of them. */
export function eachRange(ranges: readonly TokenRange[], visit: (range: TokenRange, at: number) => void): void {
  let at = 0;
  for (const range of ranges) {
    visit(range, at);
    at += range[1] - range[0];
  }
}
