// Shared memory that is not to be had.
import { afterAll, expect, test, vi } from 'vitest';

afterAll(() => vi.unstubAllGlobals());

test('too little address space is told as that, with what to do', async () => {
  class Memory {
    constructor() {
      throw new RangeError('WebAssembly.Memory(): could not allocate memory');
    }
  }
  vi.stubGlobal('WebAssembly', { Memory });
  vi.resetModules();
  const { growableMemory, sharedMemory } = await import('./wasm.ts');
  for (const make of [() => growableMemory(2), () => sharedMemory(10)])
    expect(make).toThrow(/the address space of this process is limited, .*; raise the limit: ulimit -v unlimited$/);
});
