// The all-to-all of uneven blocks. In its first phase every member posts its counts, so that all know who sends what to whom and how many
// phases follow; and where its rows lie, if they are to be read in place: that is each member's own decision.
//
//   slot of a phase:  counts (of the first) │ a chunk of the rows for others, one member's after the other's
//
// Members with most rows for others decide how many phases there are. Where rows are read in place there are two at least: the second is posted
// when they have been read. Everything else is as in group-end.ts and in-place.ts.
import { fail } from '../../../errors.ts';
import type { RowsToAll, Site } from '../transport.ts';
import { callText, opCode, typeCode } from './calls.ts';
import type { CollectiveEnd } from './group-end.ts';
import { further, type Place } from './peer-memory.ts';
import {
  countsBytes,
  countsOf,
  countsProblem,
  emptyWords,
  fitsVectors,
  fromWords,
  type RowCounts,
  rowsBefore,
  toWords,
} from './row-counts.ts';

export function allToAllV(end: CollectiveEnd, rows: RowsToAll, site: Site): void {
  const mine = countsOf(rows);
  if (end.size === 1) {
    check([mine], end, rows, site);
    takeOwn(end, rows);
    return;
  }
  const exchange = new RowExchange(end, rows);
  const places = exchange.post(mine);
  const all = countsInSlots(end);
  check(all, end, rows, site);
  takeOwn(end, rows);
  const others = end.group.ranks.map((_, i) => (end.me + i) % end.size).slice(1);
  const inSlots = others.filter((member) => !places[member]);
  const chunks = end.group.ranks.map((_, m) => (places[m] ? 2 : exchange.chunksOf(all[m]!, m)));
  const phases = Math.max(...chunks);
  for (let phase = 0; ; ) {
    for (const member of inSlots) exchange.takeChunk(all[member]!, member, phase);
    if (phase === 0)
      for (const member of others) if (places[member]) exchange.takeInPlace(all[member]!, member, places[member]);
    if (++phase === phases) return;
    end.advance();
    if (!places[end.me]) exchange.putChunk(phase);
    end.meet();
  }
}

/** A phase in which nothing but counts is posted; returns those of all members. Throws as {@link allToAllV} does. */
export function agreeOnCounts(end: CollectiveEnd, rows: RowsToAll, site: Site): readonly RowCounts[] {
  end.advance();
  putCounts(end, countsOf(rows));
  end.meet();
  const all = countsInSlots(end);
  check(all, end, rows, site);
  return all;
}

function putCounts(end: CollectiveEnd, mine: RowCounts): void {
  const words = toWords(mine);
  end.context.bytes.copyIn(end.slot(end.me), words, 0, words.length);
}

/** The counts of all members, when they have posted them. */
function countsInSlots(end: CollectiveEnd): readonly RowCounts[] {
  return end.group.ranks.map((_, member) => {
    const words = emptyWords(end.size);
    end.context.bytes.copyOut(end.slot(member), words, 0, words.length);
    return fromWords(words, end.size);
  });
}

/** Throws COLLECTIVE_MISMATCH, on all members alike, where the counts do not go together. */
function check(all: readonly RowCounts[], { group }: CollectiveEnd, { input, width }: RowsToAll, site: Site): void {
  const problem = countsProblem(all, group.ranks);
  if (!problem) return;
  const [mine, theirs] = problem.members.map((member, i) => {
    const count = rowsBefore(all[member]!.sent, group.ranks.length) * width;
    const call = { op: opCode.allToAllV, type: typeCode(input), count, outer: 0, inner: width, extra: 0, site };
    return `${callText(call)}, ${problem.does[i]}`;
  });
  const [rank, peer] = problem.members.map((member) => group.ranks[member]);
  fail('COLLECTIVE_MISMATCH', { axis: group.axis, rank, peer, mine, theirs });
}

/** Copies a member's rows for itself. */
function takeOwn({ me, context }: CollectiveEnd, { input, sent, output, received, width }: RowsToAll): void {
  const from = rowsBefore(sent, me) * width;
  const to = rowsBefore(received, me) * width;
  const count = sent[me]! * width;
  const place = context.registered.placeOf(input);
  if (place) context.peers.copy(further(place, from * input.BYTES_PER_ELEMENT), output, to, count);
  else output.set(input.subarray(from, from + count), to);
}

class RowExchange {
  readonly #end: CollectiveEnd;
  readonly #rows: RowsToAll;
  /** Bytes of a slot before its rows. */
  readonly #head: number;
  /** Most elements of a chunk. */
  readonly #chunk: number;

  constructor(end: CollectiveEnd, rows: RowsToAll) {
    this.#end = end;
    this.#rows = rows;
    this.#head = countsBytes(end.size);
    const { chunkBytes } = end.context.shared.map.limits;
    this.#chunk = Math.floor((chunkBytes - this.#head) / rows.input.BYTES_PER_ELEMENT);
  }

  /** The first phase: the counts, and where the rows lie or the first chunk of them. Returns where all members' rows lie. */
  post(mine: RowCounts): readonly (Place | undefined)[] {
    const { registered, shared } = this.#end.context;
    const { input, sent, width } = this.#rows;
    const fits = fitsVectors(mine);
    const longest = sent.reduce((most, rows, member) => (member === this.#end.me ? most : Math.max(most, rows)), 0);
    const inPlace = fits && longest * width * input.BYTES_PER_ELEMENT >= shared.map.limits.inPlaceBytes;
    const place = inPlace ? registered.placeOf(input) : undefined;
    return this.#end.exchange(place, () => {
      putCounts(this.#end, mine);
      if (fits && !place) this.putChunk(0);
    });
  }

  /** In how many chunks a member's rows for others go; at least one. */
  chunksOf({ sent }: RowCounts, member: number): number {
    return Math.max(1, Math.ceil((rowsBefore(sent, sent.length, member) * this.#rows.width) / this.#chunk));
  }

  /** Writes a chunk of the rows for others, if there is one, into the own slot. */
  putChunk(index: number): void {
    const { me, context } = this.#end;
    const { input, sent, width } = this.#rows;
    const start = index * this.#chunk;
    const count = Math.min(this.#chunk, rowsBefore(sent, sent.length, me) * width - start);
    // Up to the own rows, which are left out, and from behind them.
    const before = Math.max(0, Math.min(count, rowsBefore(sent, me) * width - start));
    const at = this.#end.slot(me) + this.#head;
    if (before > 0) context.bytes.copyIn(at, input, start, before);
    if (count > before) {
      const behind = start + before + sent[me]! * width;
      context.bytes.copyIn(at + before * input.BYTES_PER_ELEMENT, input, behind, count - before);
    }
  }

  /** Reads what a chunk of a member's holds for this one. */
  takeChunk({ sent }: RowCounts, member: number, index: number): void {
    const { me, context } = this.#end;
    const { output, width } = this.#rows;
    const start = index * this.#chunk;
    const block = rowsBefore(sent, me, member) * width;
    const low = Math.max(start, block);
    const high = Math.min(start + this.#chunk, block + sent[me]! * width);
    if (high <= low) return;
    const at = this.#end.slot(member) + this.#head + (low - start) * output.BYTES_PER_ELEMENT;
    context.bytes.copyOut(at, output, this.#outputStart(member) + low - block, high - low);
  }

  takeInPlace({ sent }: RowCounts, member: number, place: Place): void {
    const { me, context } = this.#end;
    const { output, width } = this.#rows;
    const from = further(place, rowsBefore(sent, me) * width * output.BYTES_PER_ELEMENT);
    context.peers.copy(from, output, this.#outputStart(member), sent[me]! * width);
  }

  #outputStart(member: number): number {
    return rowsBefore(this.#rows.received, member) * this.#rows.width;
  }
}
