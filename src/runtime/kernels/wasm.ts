// The few WebAssembly types in use (TypeScript has them only with the DOM's), and loading a compiled kernel file.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A compiled module: structured-cloneable, so that a world compiles it once. */
export interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}
/** A memory that every thread of a world sees. */
export interface SharedWasmMemory {
  readonly buffer: SharedArrayBuffer;
}

interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown };
  readonly Memory: new (limits: {
    initial: number;
    maximum?: number;
    shared?: boolean;
  }) => WasmMemory & SharedWasmMemory;
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
export function instantiate<Exports>(module: WasmModule, memory: WasmMemory | SharedWasmMemory): Exports {
  return new wasm.Instance(module, { env: { memory } }).exports as Exports;
}

export const privateMemory = (bytes: number): WasmMemory => new wasm.Memory({ initial: Math.ceil(bytes / pageBytes) });

export function sharedMemory(bytes: number): SharedWasmMemory {
  return new wasm.Memory({ initial: Math.ceil(bytes / pageBytes), maximum: 65536, shared: true });
}
