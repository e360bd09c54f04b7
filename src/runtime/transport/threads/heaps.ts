// The memory that ranks register, as the main thread makes it: heaps, of which every rank has some and all ranks reach all.
//
// A heap is a shared Wasm memory, so that kernels work in it in place too. It is address space until it is written. The main thread
// holds it, so that it outlives the threads of its ranks.
import { totalmem } from 'node:os';
import { forgetPages } from '../../forget-pages.ts';
import { growableMemory, pageBytes, type SharedWasmMemory } from '../../kernels/wasm.ts';

/** One page below 4 GiB: the end of a heap is a 32-bit number. */
const heapPages = 65535;
export const heapBytes = heapPages * pageBytes;

export const createHeap = (): SharedWasmMemory => growableMemory(heapPages);

/** Heaps for each rank of a world: twice its part of the machine's memory, since ranks may hold different amounts. */
export const heapsPerRank = (ranks: number): number => Math.ceil((2 * totalmem()) / ranks / heapBytes);

/** Gives a heap's memory back to the machine: the heap is all zeros again. False where that cannot be done. */
export function emptyHeap(heap: SharedWasmMemory): boolean {
  // Another thread may have grown it.
  heap.grow(0);
  return forgetPages(heap.buffer);
}
