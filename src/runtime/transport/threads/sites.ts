// Site names in shared memory: a rank writes each of its sites once and then names it by a number.
import { siteBytes, siteCount, sitesAt } from './memory-map.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface SiteRef {
  readonly id: number;
  readonly hash: number;
}

/** FNV-1a over UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** A rank's own table. When it is full the oldest names make room. */
export class SiteWriter {
  readonly #bytes: Uint8Array;
  readonly #refs = new Map<string, SiteRef>();
  readonly #names: (string | undefined)[] = new Array(siteCount);
  #next = 0;
  #lastName: string | undefined;
  #last: SiteRef = { id: 0, hash: 0 };

  constructor(buffer: SharedArrayBuffer, rank: number) {
    this.#bytes = new Uint8Array(buffer, sitesAt(rank), siteCount * siteBytes);
  }

  ref(name: string): SiteRef {
    if (name === this.#lastName) return this.#last;
    this.#last = this.#refs.get(name) ?? this.#add(name);
    this.#lastName = name;
    return this.#last;
  }

  #add(name: string): SiteRef {
    const id = this.#next;
    this.#next = (id + 1) % siteCount;
    const old = this.#names[id];
    if (old !== undefined) this.#refs.delete(old);
    this.#names[id] = name;
    const entry = this.#bytes.subarray(id * siteBytes, (id + 1) * siteBytes);
    // encodeInto refuses shared memory; whole characters only, so that a cut name still decodes.
    const text = new Uint8Array(siteBytes - 1);
    const { written } = encoder.encodeInto(name, text);
    entry.set(text, 1);
    entry[0] = written;
    const ref = { id, hash: hashOf(name) };
    this.#refs.set(name, ref);
    return ref;
  }
}

/** The name that `rank` gave number `id`. */
export function siteName(buffer: SharedArrayBuffer, rank: number, id: number): string {
  const at = sitesAt(rank) + id * siteBytes;
  const entry = new Uint8Array(buffer, at, siteBytes).slice();
  return decoder.decode(entry.subarray(1, 1 + Math.min(entry[0]!, siteBytes - 1)));
}
