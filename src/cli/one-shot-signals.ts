// Makes a signal's handler good for one delivery: the second ends the process, even while its thread runs no JavaScript.
//
// Node calls a listener from its event loop; while that is blocked (a write to a pipe that nobody reads, a file system that does not
// answer) signals only queue. So the kernel is told to restore the default action, which ends the process, when it delivers the first.
import { loadKoffi } from '../runtime/onnx/library.ts';

/** SA_RESETHAND, and where a `struct sigaction` has its flags: glibc and musl on 64 bits, macOS. */
const layouts = {
  linux: { flagsAt: 136, resetHand: 0x8000_0000 },
  darwin: { flagsAt: 12, resetHand: 0x4 },
} as const;

/** Larger than any `struct sigaction`. */
const actionBytes = 256;

/** Call it after the listener was added. On other systems (Windows) the listener alone is left to end the process. */
export function makeOneShot(signals: readonly number[]): void {
  if (process.platform !== 'linux' && process.platform !== 'darwin') return;
  const { flagsAt, resetHand } = layouts[process.platform];
  let koffi: ReturnType<typeof loadKoffi>;
  try {
    koffi = loadKoffi();
  } catch {
    // A machine that runs no models either: help and errors need no more than the listener.
    return;
  }
  const sigaction = koffi.load(null).func('int sigaction(int signal, const void *action, void *old)') as (
    ...args: unknown[]
  ) => number;
  const action = Buffer.alloc(actionBytes);
  for (const signal of signals) {
    if (sigaction(signal, null, action) !== 0) throw new Error(`sigaction(${signal}) failed`);
    action.writeUInt32LE((action.readUInt32LE(flagsAt) | resetHand) >>> 0, flagsAt);
    if (sigaction(signal, action, null) !== 0) throw new Error(`sigaction(${signal}) failed`);
  }
}
