// Registered memory as one rank uses it: it takes pieces of its own heaps, and reads its peers' where they are.
import { Buffer } from 'node:buffer';
import { lendToKernels, pageBytes, type SharedWasmMemory, type WasmModule } from '../../kernels/wasm.ts';
import type { Piece, ReduceOp, Vector } from '../transport.ts';
import { heapBytes } from './heaps.ts';
import { reduceKernel, type TransportKernels, transportKernels } from './kernels.ts';
import { lineBytes } from './memory-map.ts';
import { further, type PeerMemory, type Place } from './peer-memory.ts';
import type { ThreadsShared } from './world-state.ts';

/** Heaps grow by no less: every growth interrupts all ranks. */
const growthBytes = 16 * 1024 * 1024;

/** Bytes of a vector that are reduced at a time: few enough to stay in a core's cache, enough that copies between cores go at full speed. */
const pieceBytes = 64 * 1024;
/** A heap begins with a page for the constants of kernels that work in it, and pages for copies of peers' pieces. */
const scratchAt = (operand: number): number => pageBytes + operand * (pieceBytes + 320);
export const firstPieceAt = 4 * pageBytes;

const roundUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

export class RegisteredMemory implements PeerMemory {
  readonly #heaps: readonly (readonly SharedWasmMemory[])[];
  readonly #rank: number;
  /** Bytes taken of each own heap. */
  readonly #taken: number[];
  /** The heap of every buffer that pieces were taken of: after growing, a heap has another buffer over the same memory. */
  readonly #heapOf = new WeakMap<ArrayBufferLike, number>();
  /** Working in an own heap, once they are needed there. */
  readonly #kernels: (TransportKernels | undefined)[] = [];
  readonly #module: WasmModule;

  constructor({ heaps, kernels }: Pick<ThreadsShared, 'heaps' | 'kernels'>, rank: number) {
    this.#heaps = heaps;
    this.#rank = rank;
    this.#taken = heaps[rank]!.map(() => firstPieceAt);
    this.#module = kernels;
  }

  /** Ordinary memory where no heap has room. */
  allocate(bytes: number): Piece {
    const size = roundUp(bytes, lineBytes);
    for (const [heap, memory] of this.#heaps[this.#rank]!.entries()) {
      const at = this.#taken[heap]!;
      if (!growTo(memory, at + size)) continue;
      this.#taken[heap] = at + size;
      // Asked for once: that the heap has grown may be heard of at any time, and then it has another buffer.
      const { buffer } = memory;
      this.#heapOf.set(buffer, heap);
      lendToKernels(buffer, memory);
      return { buffer, byteOffset: at, byteLength: bytes };
    }
    return { buffer: new ArrayBuffer(bytes), byteOffset: 0, byteLength: bytes };
  }

  /** Where a vector lies if it is in this rank's registered memory. */
  placeOf(vector: Vector): Place | undefined {
    const heap = this.#heapOf.get(vector.buffer);
    return heap === undefined ? undefined : { rank: this.#rank, heap, at: vector.byteOffset };
  }

  copy(from: Place, target: Vector, start: number, count: number): void {
    const bytes = count * target.BYTES_PER_ELEMENT;
    const to = Buffer.from(target.buffer, target.byteOffset + start * target.BYTES_PER_ELEMENT, bytes);
    // One memcpy, see shared-bytes.ts.
    to.fill(new Uint8Array(this.#buffer(from, bytes), from.at, bytes));
  }

  reduce(
    op: ReduceOp,
    from: readonly Place[],
    target: Vector,
    start: number,
    count: number,
    also: readonly Place[] = [],
  ): void {
    const { heap, at } = this.placeOf(target)!;
    const width = target.BYTES_PER_ELEMENT;
    const kernel = reduceKernel(this.#kernelsIn(heap), target, op);
    const to = at + start * width;
    const end = count * width;
    for (let done = 0; done < end; done += pieceBytes) {
      const bytes = Math.min(pieceBytes, end - done);
      // The next operand as the kernel can reach it: this heap's own memory, or a copy of a piece.
      const reach = (place: Place, scratch: number): number => {
        if (place.rank === this.#rank && place.heap === heap) return place.at + done;
        this.#move(further(place, done), { rank: this.#rank, heap, at: scratch }, bytes);
        return scratch;
      };
      let total = reach(from[0]!, scratchAt(0));
      for (let next = 1; next < from.length; next++) {
        const operand = reach(from[next]!, scratchAt(1));
        // Only the last writes the result: it may lie over an operand.
        const out = next === from.length - 1 ? to + done : scratchAt(0);
        kernel(out, total, operand - total, 2, bytes / width, 1, 0);
        total = out;
      }
      // While the piece is in the nearest cache.
      const result = { rank: this.#rank, heap, at: to + done };
      for (const place of also) this.#move(result, further(place, done), bytes);
    }
  }

  #move(from: Place, to: Place, bytes: number): void {
    const target = Buffer.from(this.#buffer(to, bytes), to.at, bytes);
    target.fill(new Uint8Array(this.#buffer(from, bytes), from.at, bytes));
  }

  #kernelsIn(heap: number): TransportKernels {
    this.#kernels[heap] ??= transportKernels(this.#module, this.#heaps[this.#rank]![heap]!);
    return this.#kernels[heap];
  }

  /** A buffer in which `bytes` at a place lie. */
  #buffer({ rank, heap, at }: Place, bytes: number): SharedArrayBuffer {
    const memory = this.#heaps[rank]![heap]!;
    // Its rank has grown it and this thread has not heard of it: asking for nothing more makes it look.
    if (memory.buffer.byteLength < at + bytes) memory.grow(0);
    return memory.buffer;
  }
}

/** False if the heap, or the machine, does not have so much. */
function growTo(memory: SharedWasmMemory, bytes: number): boolean {
  const has = memory.buffer.byteLength;
  if (bytes <= has) return true;
  const grow = (to: number): boolean => {
    try {
      memory.grow((roundUp(to, pageBytes) - has) / pageBytes);
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  };
  return bytes <= heapBytes && (grow(Math.min(heapBytes, Math.max(bytes, has + growthBytes))) || grow(bytes));
}
