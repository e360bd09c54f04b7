// Finds the races of a run from the logs of its ranks, with vector clocks: two accesses of different ranks to one word, one of them
// a write, that nothing orders. What orders is what the memory model of JavaScript says: a load that saw a published value comes
// after everything its publisher did before (Flanagan and Freund 2009, FastTrack; here with a clock per rank and word).
//
// The verdict does not depend on who came first in this run: an order that was luck is no order. Whoever waits for a word to leave a
// value may find it several publications on, but in another run would have gone on after the first: only that one orders.
import { type Kind, kinds, rowLength, writes } from './access-log.ts';

export interface Access {
  readonly rank: number;
  /** The number of the call it belongs to; -1 before the first. */
  readonly call: number;
  readonly kind: Kind;
  readonly memory: number;
  /** Bytes. */
  readonly start: number;
  readonly end: number;
}

export interface Race {
  readonly memory: number;
  /** The byte at which the two meet. */
  readonly at: number;
  readonly accesses: readonly [Access, Access];
}

export interface Verdict {
  readonly accesses: number;
  /** At most one for every two rows of the logs. */
  readonly races: readonly Race[];
  /** For every memory, its words that were written or published. */
  readonly written: readonly Uint8Array[];
}

type Clock = Int32Array;

/** The values that a word was given, in order, and its publisher's clock at each. */
interface Publications {
  /** If a value comes twice, whoever sees it can only be sure of the first. */
  readonly indices: Map<number, number>;
  readonly clocks: (Clock | undefined)[];
  /** How many of them have been read. */
  done: number;
  /** The last rows of every rank that loaded or published it, plus one. */
  readonly loaded: Int32Array;
  readonly published: Int32Array;
}

const wordKey = (memory: number, word: number): number => memory * 2 ** 32 + word;

/** `memoryBytes`: the size of every memory that the logs name. */
export function findRaces(logs: readonly Int32Array[], memoryBytes: readonly number[]): Verdict {
  return new Replay(logs, memoryBytes).verdict();
}

class Replay {
  readonly #logs: readonly Int32Array[];
  readonly #publications = new Map<number, Publications>();
  /** Of a rank's row: how many publications of that rank lie before it, plus one. */
  readonly #epochs: readonly Int32Array[];
  readonly #clocks: readonly Clock[];
  /** The last plain reads and writes: [memory][rank][word] -> row + 1. */
  readonly #reads: readonly (readonly Int32Array[])[];
  readonly #writes: readonly (readonly Int32Array[])[];
  readonly #written: readonly Uint8Array[];
  readonly #races = new Map<string, Race>();
  #accesses = 0;

  constructor(logs: readonly Int32Array[], memoryBytes: readonly number[]) {
    this.#logs = logs;
    const shadow = () => memoryBytes.map((bytes) => logs.map(() => new Int32Array(bytes / 4)));
    this.#reads = shadow();
    this.#writes = shadow();
    this.#written = memoryBytes.map((bytes) => new Uint8Array(bytes / 4));
    this.#clocks = logs.map((_, rank) => new Int32Array(logs.length).fill(1, rank, rank + 1));
    this.#epochs = logs.map((log) => {
      const epochs = new Int32Array(log.length / rowLength);
      let epoch = 1;
      for (let row = 0; row < epochs.length; row++) {
        epochs[row] = epoch;
        const [code, memory, word, value] = rowOf(log, row);
        const kind = kinds[code]!;
        if (kind !== 'publish' && kind !== 'load' && kind !== 'wait') continue;
        const known = this.#publications.get(wordKey(memory, word)) ?? this.#startWord(memory, word);
        if (kind !== 'publish') continue;
        epoch++;
        if (!known.indices.has(value)) known.indices.set(value, known.clocks.length);
        known.clocks.push(undefined);
      }
      return epochs;
    });
  }

  #startWord(memory: number, word: number): Publications {
    const ranks = this.#logs.length;
    const started: Publications = {
      indices: new Map(),
      clocks: [],
      done: 0,
      loaded: new Int32Array(ranks),
      published: new Int32Array(ranks),
    };
    this.#publications.set(wordKey(memory, word), started);
    return started;
  }

  verdict(): Verdict {
    const next = this.#logs.map(() => 0);
    const rowsOf = (rank: number): number => this.#epochs[rank]!.length;
    // Any order that respects the publications will do; every rank goes on until it needs what another has not yet published.
    for (let moved = true; moved; ) {
      moved = false;
      for (let rank = 0; rank < next.length; rank++)
        while (next[rank]! < rowsOf(rank) && this.#step(rank, next[rank]!)) {
          next[rank]!++;
          moved = true;
        }
    }
    const stuck = next.findIndex((row, rank) => row < rowsOf(rank));
    if (stuck >= 0)
      throw new Error(`rank ${stuck} saw a value before it was published: the logs are of different runs`);
    return { accesses: this.#accesses, races: [...this.#races.values()], written: this.#written };
  }

  /** False if the row must wait. */
  #step(rank: number, row: number): boolean {
    const [code, memory, first, second] = rowOf(this.#logs[rank]!, row);
    const kind = kinds[code]!;
    if (kind === 'call') return true;
    if (kind === 'load' || kind === 'wait') return this.#load(rank, row, { memory, word: first, value: second, kind });
    this.#accesses++;
    if (kind === 'publish') this.#publish(rank, row, memory, first);
    else this.#plain(rank, row, { memory, start: first, end: second, write: writes(kind) });
    return true;
  }

  #load(
    rank: number,
    row: number,
    { memory, word, value, kind }: { memory: number; word: number; value: number; kind: 'load' | 'wait' },
  ): boolean {
    const { indices, clocks, done, loaded } = this.#publications.get(wordKey(memory, word))!;
    // A value that nobody published is from before the ranks began.
    const index = (indices.get(value) ?? -1) + (kind === 'wait' ? 1 : 0);
    if (index >= done && index < clocks.length) return false;
    if (index >= 0 && index < done) joinInto(this.#clocks[rank]!, clocks[index]!);
    loaded[rank] = row + 1;
    this.#accesses++;
    this.#against(this.#writes[memory]!, rank, row, memory, word);
    return true;
  }

  #publish(rank: number, row: number, memory: number, word: number): void {
    const clock = this.#clocks[rank]!;
    const publications = this.#publications.get(wordKey(memory, word))!;
    publications.clocks[publications.done++] = clock.slice();
    clock[rank]!++;
    this.#against(this.#writes[memory]!, rank, row, memory, word);
    this.#against(this.#reads[memory]!, rank, row, memory, word);
    publications.published[rank] = row + 1;
    this.#written[memory]![word] = 1;
  }

  #plain(
    rank: number,
    row: number,
    { memory, start, end, write }: { memory: number; start: number; end: number; write: boolean },
  ): void {
    const mine = (write ? this.#writes : this.#reads)[memory]![rank]!;
    for (let word = start >> 2; word < (end + 3) >> 2; word++) {
      this.#against(this.#writes[memory]!, rank, row, memory, word);
      if (write) this.#against(this.#reads[memory]!, rank, row, memory, word);
      const publications = this.#publications.get(wordKey(memory, word));
      if (publications) {
        this.#againstRows(publications.published, rank, row, memory, word);
        if (write) this.#againstRows(publications.loaded, rank, row, memory, word);
      }
      mine[word] = row + 1;
      if (write) this.#written[memory]![word] = 1;
    }
  }

  /** Reports the other ranks' last accesses to a word that nothing orders before this one. */
  #against(last: readonly Int32Array[], rank: number, row: number, memory: number, word: number): void {
    for (let other = 0; other < last.length; other++)
      this.#compare(other, last[other]![word]!, rank, row, memory, word);
  }

  #againstRows(last: Int32Array, rank: number, row: number, memory: number, word: number): void {
    for (let other = 0; other < last.length; other++) this.#compare(other, last[other]!, rank, row, memory, word);
  }

  #compare(other: number, theirs: number, rank: number, row: number, memory: number, word: number): void {
    if (other === rank || theirs === 0) return;
    if (this.#epochs[other]![theirs - 1]! <= this.#clocks[rank]![other]!) return;
    const key = `${other} ${theirs} ${rank} ${row}`;
    if (this.#races.has(key)) return;
    this.#races.set(key, {
      memory,
      at: 4 * word,
      accesses: [this.#accessOf(other, theirs - 1), this.#accessOf(rank, row)],
    });
  }

  #accessOf(rank: number, row: number): Access {
    const log = this.#logs[rank]!;
    const [code, memory, first, second] = rowOf(log, row);
    const kind = kinds[code]!;
    let call = row;
    while (call >= 0 && kinds[log[call * rowLength]!] !== 'call') call--;
    const atomic = kind === 'load' || kind === 'wait' || kind === 'publish';
    return {
      rank,
      call: call < 0 ? -1 : log[call * rowLength + 2]!,
      kind,
      memory,
      start: atomic ? 4 * first : first,
      end: atomic ? 4 * first + 4 : second,
    };
  }
}

function rowOf(log: Int32Array, row: number): [kind: number, memory: number, first: number, second: number] {
  const at = row * rowLength;
  return [log[at]!, log[at + 1]!, log[at + 2]!, log[at + 3]!];
}

function joinInto(clock: Clock, other: Clock): void {
  for (let i = 0; i < clock.length; i++) if (other[i]! > clock[i]!) clock[i] = other[i]!;
}
