// Pieces of registered memory: aligned, apart, zeroed, from whichever heap has room, and seen by peers that have not heard of a growth.
import { expect, test } from 'vitest';
import { growableMemory, loadKernel, pageBytes, type SharedWasmMemory } from '../../kernels/wasm.ts';
import { emptyHeap } from './heaps.ts';
import { firstPieceAt, RegisteredMemory } from './registered.ts';

const kernels = loadKernel('transport');
const registered = (heaps: readonly SharedWasmMemory[][], rank = 0): RegisteredMemory =>
  new RegisteredMemory({ heaps, kernels }, rank);

test('pieces are aligned and apart, and say where they lie', () => {
  const memory = registered([[growableMemory(300)]]);
  const pieces = [1, 128, 1000, 0, 5].map((bytes) => memory.allocate(bytes));
  expect(pieces.map(({ byteLength }) => byteLength)).toEqual([1, 128, 1000, 0, 5]);
  expect(pieces.map(({ byteOffset }) => byteOffset - firstPieceAt)).toEqual([0, 128, 256, 1280, 1280]);
  const { buffer, byteOffset } = pieces[2]!;
  expect(memory.placeOf(new Float32Array(buffer, byteOffset + 8, 3))).toEqual({
    rank: 0,
    heap: 0,
    at: firstPieceAt + 264,
  });
  expect(memory.placeOf(new Float32Array(3))).toBeUndefined();
});

test('what does not fit into one heap lies in the next, and then in ordinary memory', () => {
  const memory = registered([[2, 1].map((pages) => growableMemory(firstPieceAt / pageBytes + pages))]);
  const heapOf = (bytes: number): number | undefined =>
    memory.placeOf(new Int32Array(memory.allocate(bytes).buffer, 0, 1))?.heap;
  expect([2, 1, 1, 0.5].map((pages) => heapOf(pages * pageBytes))).toEqual([0, 1, undefined, undefined]);
});

test('more than an array of bytes can hold is ordinary memory, zeroed', () => {
  const bytes = 2 ** 32 + 64;
  const { buffer, byteOffset, byteLength } = registered([[growableMemory(65535)]]).allocate(bytes);
  expect(byteLength).toBe(bytes);
  const numbers = new Float32Array(buffer, byteOffset, bytes / 4);
  expect([numbers[0], numbers.at(-1)]).toEqual([0, 0]);
});

test('sums and copies reach what a peer has allocated since', () => {
  const heaps = [[growableMemory(2000)], [growableMemory(2000)]];
  const [mine, peers] = [0, 1].map((rank) => registered(heaps, rank)) as [RegisteredMemory, RegisteredMemory];
  const vector = (memory: RegisteredMemory, value: number): Float32Array => {
    const { buffer, byteOffset } = memory.allocate(40_000_000);
    return new Float32Array(buffer, byteOffset, 10_000_000).fill(value);
  };
  const [first, second] = [vector(mine, 1), vector(peers, 2)];
  mine.reduce('sum', [mine.placeOf(first)!, peers.placeOf(second)!], first, 5_000_000, 3);
  expect(first.subarray(4_999_999, 5_000_004)).toEqual(Float32Array.of(1, 3, 3, 3, 1));
  const third = vector(peers, 7);
  mine.copy(peers.placeOf(third)!, first, 9_999_999, 1);
  expect(first.at(-1)).toBe(7);
});

test.runIf(process.platform === 'linux')('an emptied heap is zeros again', () => {
  const heap = growableMemory(300);
  const { buffer, byteOffset, byteLength } = registered([[heap]]).allocate(1000);
  const bytes = new Uint8Array(buffer, byteOffset, byteLength).fill(3);
  expect(emptyHeap(heap)).toBe(true);
  expect(bytes).toEqual(new Uint8Array(1000));
});
