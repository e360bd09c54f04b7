// The native objects that a rank has made and not yet released, listed in memory that outlives its thread.
//
// A thread that is ended from outside runs no code any more: whoever ended it releases what its list still shows. ONNX Runtime
// writes the addresses of new objects into the list itself, so there is no moment at which one exists and is not listed.

/** What can be held; its place is its number in a list. */
const kinds = ['nothing', 'session', 'value', 'options', 'memory'] as const;
export type HeldKind = Exclude<(typeof kinds)[number], 'nothing'>;

/** An object's place in its list. */
export type Held = number;

interface GrowableBuffer extends SharedArrayBuffer {
  grow(bytes: number): void;
}

// An entry: its kind, its address (0: none).
const entryBytes = 16;
const firstBytes = 4096;
/** 4,194,304 objects; nothing is taken from the machine before it is used. */
const mostBytes = 64 * 1024 * 1024;

/** The memory of an empty list. */
export const createHoldings = (): SharedArrayBuffer =>
  // ES2024, which Node 20 has and the project's type library does not.
  Reflect.construct(SharedArrayBuffer, [firstBytes, { maxByteLength: mostBytes }]) as SharedArrayBuffer;

export class Holdings {
  readonly #buffer: GrowableBuffer;
  /** As long as the buffer is, always. */
  readonly #words: BigUint64Array;
  readonly #free: Held[] = [];
  #next = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer as GrowableBuffer;
    this.#words = new BigUint64Array(buffer);
  }

  /** A place for a new object. */
  take(kind: HeldKind): Held {
    const place = this.#free.pop() ?? this.#next++;
    const bytes = this.#buffer.byteLength;
    if ((place + 1) * entryBytes > bytes) this.#buffer.grow(Math.min(mostBytes, 2 * bytes));
    this.#words[2 * place] = BigInt(kinds.indexOf(kind));
    return place;
  }

  /** Where the address of that object is to be written. */
  target(place: Held): BigUint64Array {
    return new BigUint64Array(this.#buffer, place * entryBytes + 8, 1);
  }

  address(place: Held): bigint {
    return this.#words[2 * place + 1]!;
  }

  /** Strikes an object off the list, before it is released: a thread that ends in between must not leave it to be released twice. */
  strike(place: Held): { readonly kind: HeldKind; readonly address: bigint } | undefined {
    const kind = kinds[Number(this.#words[2 * place])];
    if (kind === undefined || kind === 'nothing') return undefined;
    const address = this.address(place);
    this.#words[2 * place] = 0n;
    this.#words[2 * place + 1] = 0n;
    this.#free.push(place);
    return address === 0n ? undefined : { kind, address };
  }

  /** Every object on the list. */
  all(): Held[] {
    const held: Held[] = [];
    for (let at = 1; at < this.#words.length; at += 2) if (this.#words[at] !== 0n) held.push((at - 1) / 2);
    return held;
  }
}

let current: Holdings | undefined;

/** From now on this thread lists what it makes in this memory of {@link createHoldings}. */
export function holdIn(buffer: SharedArrayBuffer): void {
  current = new Holdings(buffer);
}

/** Where this thread lists what it makes. */
export function currentHoldings(): Holdings {
  current ??= new Holdings(createHoldings());
  return current;
}
