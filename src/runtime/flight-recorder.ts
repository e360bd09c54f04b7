// The last calls of a rank, kept in a ring of memory that others can read even when the rank is blocked or dead.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const recordCount = 64;
export const recordBytes = 64;
/** Bytes of a recorder: a counter line and the ring. */
export const recorderBytes = 64 + recordCount * recordBytes;

/** A call as numbers; what they mean is the transport's business. */
export interface RecordedCall {
  readonly op: number;
  /** Index of the group, or -1 for a message. */
  readonly group: number;
  /** The other rank of a message, or -1. */
  readonly peer: number;
  readonly count: number;
  readonly type: number;
  readonly site: number;
}

/** A call as people read it. Times are milliseconds since 1970; `end` is missing while the call has not finished. */
export interface FlightRecord {
  readonly sequence: number;
  readonly op: string;
  readonly axis: string;
  readonly peer?: number;
  readonly count: number;
  readonly type: string;
  readonly site: string;
  readonly start: number;
  readonly end?: number;
  readonly finished: boolean;
}

// A record: f64 start, f64 end (0: unfinished), then i32 op, group, peer, count, type, site, sequence.
const recordDoubles = recordBytes / 8;
const recordWords = recordBytes / 4;

export class FlightRecorder {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  #calls = 0;
  #slot = 0;

  constructor(buffer: ArrayBufferLike, byteOffset: number) {
    this.#words = new Int32Array(buffer, byteOffset, recorderBytes / 4);
    this.#doubles = new Float64Array(buffer, byteOffset + 64, recordCount * recordDoubles);
  }

  /** The number of calls begun. */
  get calls(): number {
    return this.#calls;
  }

  begin(op: number, group: number, peer: number, count: number, type: number, site: number): void {
    const slot = this.#calls % recordCount;
    this.#slot = slot;
    const words = this.#words;
    const at = 16 + slot * recordWords;
    this.#doubles[slot * recordDoubles] = performance.now();
    this.#doubles[slot * recordDoubles + 1] = 0;
    words[at + 4] = op;
    words[at + 5] = group;
    words[at + 6] = peer;
    words[at + 7] = count;
    words[at + 8] = type;
    words[at + 9] = site;
    words[at + 10] = this.#calls++;
    words[0] = this.#calls;
  }

  end(): void {
    this.#doubles[this.#slot * recordDoubles + 1] = performance.now();
  }

  /** Where the clock of the records starts: written once, so that they can be read as times of day. */
  start(): void {
    new Float64Array(this.#words.buffer, this.#words.byteOffset + 8, 1)[0] = performance.timeOrigin;
  }
}

/** The calls of a recorder, oldest first, with their numbers turned into words by `describe`. */
export function readRecords(
  buffer: ArrayBufferLike,
  byteOffset: number,
  describe: (call: RecordedCall) => Pick<FlightRecord, 'op' | 'axis' | 'type' | 'site'>,
): FlightRecord[] {
  const words = new Int32Array(buffer, byteOffset, recorderBytes / 4);
  const doubles = new Float64Array(buffer, byteOffset + 64, recordCount * recordDoubles);
  const origin = new Float64Array(buffer, byteOffset + 8, 1)[0]!;
  const calls = words[0]!;
  const records: FlightRecord[] = [];
  for (let call = Math.max(0, calls - recordCount); call < calls; call++) {
    const slot = call % recordCount;
    const at = 16 + slot * recordWords;
    const word = (i: number): number => words[at + 4 + i]!;
    const peer = word(2);
    const end = doubles[slot * recordDoubles + 1]!;
    const numbers = { op: word(0), group: word(1), peer, count: word(3), type: word(4), site: word(5) };
    records.push({
      sequence: word(6),
      ...describe(numbers),
      ...(peer >= 0 ? { peer } : {}),
      count: numbers.count,
      start: origin + doubles[slot * recordDoubles]!,
      ...(end > 0 ? { end: origin + end } : {}),
      finished: end > 0,
    });
  }
  return records;
}

/** Writes one rank's records to `<folder>/rank-<rank>.json`, making the folder if need be. */
export function writeFlightRecords(folder: string, rank: number, status: string, calls: readonly FlightRecord[]): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `rank-${rank}.json`), `${JSON.stringify({ rank, status, calls }, null, 1)}\n`);
}
