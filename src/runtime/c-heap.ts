// The C library's heap, which ranks fill with arrays and ONNX Runtime's own memory: how it gives back what they leave.
//
// glibc keeps what is freed in the arena of the thread that asked for it, and there are eight arenas a core: without this a process
// that runs one world after another holds 20 to 30 MB more after each, though nothing of it is in use.
import { loadKoffi } from './onnx/library.ts';

interface Heap {
  readonly trim: () => void;
}

let heap: Heap | undefined;

/** M_MMAP_THRESHOLD of mallopt(3). */
const mmapThreshold = -3;
/** Blocks from this size on come from the machine one by one and go back there when they are freed. */
const largeBytes = 1024 * 1024;

/** Frees large blocks to the machine at once, from now on; once a process. Where the C library is not glibc, nothing is done. */
export function settleHeap(): void {
  heap ??= findHeap();
}

/** Gives back to the machine what is free. */
export function trimHeap(): void {
  heap?.trim();
}

function findHeap(): Heap {
  if (process.platform !== 'linux') return { trim: () => undefined };
  const library = loadKoffi().load(null);
  try {
    const mallopt = library.func('int mallopt(int parameter, int value)');
    const trim = library.func('int malloc_trim(size_t pad)');
    mallopt(mmapThreshold, largeBytes);
    return { trim: () => trim(0) };
  } catch {
    // musl has neither, nor arenas that keep what is freed.
    return { trim: () => undefined };
  }
}
