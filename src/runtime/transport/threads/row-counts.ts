// The counts of an all-to-all of uneven blocks: what every member says of its own, and whether they go together.
import type { RowsToAll } from '../transport.ts';

/** What one member has. */
export interface RowCounts {
  /** Rows to every member. */
  readonly sent: Int32Array;
  /** Rows from every member. */
  readonly received: Int32Array;
  /** Rows that its vectors hold. */
  readonly inputRows: number;
  readonly outputRows: number;
}

const wordsOf = (size: number): number => 2 * size + 2;

/** Bytes, a multiple of a cache line, at the head of a slot of a group of `size`: less than a line a member. */
export const countsBytes = (size: number): number => Math.ceil((4 * wordsOf(size)) / 64) * 64;

/** As it is posted: sent, received, and the rows of the vectors. */
export function toWords({ sent, received, inputRows, outputRows }: RowCounts): Int32Array {
  const words = emptyWords(sent.length);
  words.set(sent);
  words.set(received, sent.length);
  words[2 * sent.length] = inputRows;
  words[2 * sent.length + 1] = outputRows;
  return words;
}

export const emptyWords = (size: number): Int32Array => new Int32Array(wordsOf(size));

export const fromWords = (words: Int32Array, size: number): RowCounts => ({
  sent: words.subarray(0, size),
  received: words.subarray(size, 2 * size),
  inputRows: words[2 * size]!,
  outputRows: words[2 * size + 1]!,
});

export const countsOf = ({ input, sent, output, received, width }: RowsToAll): RowCounts => ({
  sent,
  received,
  inputRows: Math.floor(input.length / width),
  outputRows: Math.floor(output.length / width),
});

/** Rows before those of `member`, if those of member `without` are left out. */
export function rowsBefore(counts: Int32Array, member: number, without = -1): number {
  let rows = 0;
  for (let m = 0; m < member; m++) if (m !== without) rows += counts[m]!;
  return rows;
}

/** The first member whose rows end behind the last of `rows`, or are fewer than none; -1: all fit. */
function firstUnfit(counts: Int32Array, rows: number): number {
  let end = 0;
  return counts.findIndex((count) => {
    end += count;
    return count < 0 || end > rows;
  });
}

export const fitsVectors = ({ sent, received, inputRows, outputRows }: RowCounts): boolean =>
  firstUnfit(sent, inputRows) < 0 && firstUnfit(received, outputRows) < 0;

/** Two members (places in the group) that do not go together, and what each does. */
export interface CountsProblem {
  readonly members: readonly [number, number];
  readonly does: readonly [string, string];
}

/** The first problem in the counts of all members, the same whoever looks; `ranks` are their names. */
export function countsProblem(all: readonly RowCounts[], ranks: readonly number[]): CountsProblem | undefined {
  const sends = (from: number, to: number): string => `sending ${all[from]!.sent[to]} rows to rank ${ranks[to]}`;
  const receives = (to: number, from: number): string =>
    `receiving ${all[to]!.received[from]} rows of rank ${ranks[from]}`;
  for (const [member, { sent, received, inputRows, outputRows }] of all.entries()) {
    const to = firstUnfit(sent, inputRows);
    if (to >= 0) {
      const end = rowsBefore(sent, to + 1);
      const unfit = `${sends(member, to)} that end at row ${end} of an input of ${inputRows}`;
      return { members: [member, to], does: [unfit, receives(to, member)] };
    }
    const from = firstUnfit(received, outputRows);
    if (from >= 0) {
      const end = rowsBefore(received, from + 1);
      const unfit = `${receives(member, from)} that end at row ${end} of an output of ${outputRows}`;
      return { members: [member, from], does: [unfit, sends(from, member)] };
    }
    const other = all.findIndex((theirs, peer) => theirs.received[member] !== sent[peer]);
    if (other >= 0) return { members: [member, other], does: [sends(member, other), receives(other, member)] };
  }
  return undefined;
}
