// What one rank did to shared memory, in its order, as rows of four numbers: [kind, memory, start, end).
//
// `load` and `publish` hold a word and its value in place of a range of bytes, `wait` a word and the value that it was awaited to
// leave, `call` the number of the call that begins.

export const kinds = [
  'call',
  'copyIn',
  'copyOut',
  'kernel read',
  'kernel write',
  'in place read',
  'in place write',
  'owner read',
  'owner write',
  'word read',
  'word write',
  'load',
  'wait',
  'publish',
] as const;
export type Kind = (typeof kinds)[number];
export type RangeKind = Exclude<Kind, 'call' | 'load' | 'wait' | 'publish'>;

export const rowLength = 4;
export const writes = (kind: Kind): boolean => kind === 'copyIn' || kind.endsWith(' write');

export class AccessLog {
  #rows = new Int32Array(rowLength * 4096);
  #length = 0;
  /** Rows before this one are closed: another access may not be joined to them. */
  #closed = 0;

  /** A call, load, wait or publication: what comes before and after must stay apart. */
  event(kind: Exclude<Kind, RangeKind>, memory: number, first: number, second: number): void {
    this.#add(kinds.indexOf(kind), memory, first, second);
    this.#closed = this.#length;
  }

  /** Bytes start .. end; joined to one of the last two rows if it goes on where that ends. */
  range(kind: RangeKind, memory: number, start: number, end: number): void {
    if (end <= start) return;
    const rows = this.#rows;
    const code = kinds.indexOf(kind);
    for (let at = this.#length - rowLength; at >= Math.max(this.#closed, this.#length - 2 * rowLength); at -= rowLength)
      if (rows[at] === code && rows[at + 1] === memory && rows[at + 3] === start) {
        rows[at + 3] = end;
        return;
      }
    this.#add(code, memory, start, end);
  }

  /** All rows so far. */
  rows(): Int32Array {
    return this.#rows.slice(0, this.#length);
  }

  #add(kind: number, memory: number, first: number, second: number): void {
    if (this.#length === this.#rows.length) {
      const larger = new Int32Array(2 * this.#rows.length);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows.set([kind, memory, first, second], this.#length);
    this.#length += rowLength;
  }
}
