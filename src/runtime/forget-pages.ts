// Gives the pages of a buffer back to the machine while the buffer stays: afterwards it is all zeros.
import { loadKoffi } from './onnx/library.ts';

type Forget = (buffer: SharedArrayBuffer) => boolean;

let forget: Forget | undefined;

/** False where it cannot be done; `buffer` must start at a page, be of whole pages, and no other thread may be using it. */
export function forgetPages(buffer: SharedArrayBuffer): boolean {
  forget ??= findForget();
  return forget(buffer);
}

/** MADV_DONTNEED of madvise(2): on Linux alone it says that private pages read as zeros afterwards. */
const dontNeed = 4;

function findForget(): Forget {
  if (process.platform !== 'linux') return () => false;
  const madvise = loadKoffi().load(null).func('int madvise(void *start, size_t bytes, int advice)');
  return (buffer) => madvise(new Uint8Array(buffer), buffer.byteLength, dontNeed) === 0;
}
