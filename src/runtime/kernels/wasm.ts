// The few WebAssembly types in use (TypeScript has them only with the DOM's), and loading a compiled kernel file.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fail } from '../../errors.ts';

/** A compiled module: structured-cloneable, so that a world compiles it once. */
export interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}
/** A memory that every thread of a world sees. */
export interface SharedWasmMemory {
  /** All of it that there is; it stays when the memory grows, and another one is made that is longer. */
  readonly buffer: SharedArrayBuffer;
  /** Throws a RangeError if there is no more. */
  readonly grow: (pages: number) => number;
}

interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown };
  readonly Memory: new (limits: { initial: number; maximum?: number; shared?: boolean }) => SharedWasmMemory;
}

const wasm = (globalThis as unknown as { readonly WebAssembly: WasmApi }).WebAssembly;

export const pageBytes = 65536;

/** Compiles `<name>.wasm`, which lies beside this file in src and in dist. */
export function loadKernel(name: string): WasmModule {
  const path = fileURLToPath(new URL(`./${name}.wasm`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is missing: build the kernels with "npm run kernels"`);
  return new wasm.Module(readFileSync(path));
}

/** The module's exported functions, working on `memory`. */
export function instantiate<Exports>(module: WasmModule, memory: SharedWasmMemory): Exports {
  return new wasm.Instance(module, { env: { memory } }).exports as Exports;
}

/** One page, and room for `pages`: address space alone, until it grows and is written. */
export const growableMemory = (pages: number): SharedWasmMemory => makeMemory(1, pages);

/** Throws PLATFORM_UNSUPPORTED: of a shared memory all the address space is taken at once, and a process may have little. */
function makeMemory(initial: number, maximum: number): SharedWasmMemory {
  try {
    return new wasm.Memory({ initial, maximum, shared: true });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return fail('PLATFORM_UNSUPPORTED', {
      given: `${process.platform} ${process.arch}`,
      problem: 'the address space of this process is limited, and too little is left for shared memory',
      fix: 'raise the limit: ulimit -v unlimited',
    });
  }
}

const memoryUnder = new WeakMap<ArrayBufferLike, SharedWasmMemory>();

/** Says of which memory `buffer` is the buffer: kernels may then work in place on the vectors in it. */
export function lendToKernels(buffer: SharedArrayBuffer, memory: SharedWasmMemory): void {
  memoryUnder.set(buffer, memory);
}

/** The memory in which all these vectors lie, if there is one that was lent. */
export function memoryOf(...vectors: readonly ArrayBufferView[]): SharedWasmMemory | undefined {
  const memory = vectors[0] && memoryUnder.get(vectors[0].buffer);
  return vectors.every(({ buffer }) => memoryUnder.get(buffer) === memory) ? memory : undefined;
}

export const sharedMemory = (bytes: number): SharedWasmMemory => makeMemory(Math.ceil(bytes / pageBytes), 65536);
