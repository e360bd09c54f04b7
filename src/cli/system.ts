// What the command line needs of the system and Node has no call for: a process that ends, whatever its threads are doing.
import { loadKoffi } from '../runtime/onnx/library.ts';

/** The C library, where there is one and native code can be called; help and errors work without. */
function systemLibrary(): ReturnType<ReturnType<typeof loadKoffi>['load']> | undefined {
  if (process.platform !== 'linux' && process.platform !== 'darwin') return undefined;
  try {
    return loadKoffi().load(null);
  } catch {
    return undefined;
  }
}

/** SA_RESETHAND, and where a `struct sigaction` has its flags: glibc and musl on 64 bits, macOS. */
const layouts = {
  linux: { flagsAt: 136, resetHand: 0x8000_0000 },
  darwin: { flagsAt: 12, resetHand: 0x4 },
} as const;

/** Larger than any `struct sigaction`. */
const actionBytes = 256;

/**
 * Makes the handlers of these signals good for one delivery: the second ends the process. Node calls a listener from its event loop;
 * while that is blocked (a write to a pipe that nobody reads, a file system that does not answer) signals only queue. So the kernel is
 * told to restore the default action when it delivers the first. Call it after the listeners were added. On Windows they stay alone.
 */
export function makeOneShot(signals: readonly number[]): void {
  const library = systemLibrary();
  if (!library) return;
  const { flagsAt, resetHand } = layouts[process.platform as keyof typeof layouts];
  const sigaction = library.func('int sigaction(int signal, const void *action, void *old)') as (
    ...args: unknown[]
  ) => number;
  const action = Buffer.alloc(actionBytes);
  for (const signal of signals) {
    if (sigaction(signal, null, action) !== 0) throw new Error(`sigaction(${signal}) failed`);
    action.writeUInt32LE((action.readUInt32LE(flagsAt) | resetHand) >>> 0, flagsAt);
    if (sigaction(signal, action, null) !== 0) throw new Error(`sigaction(${signal}) failed`);
  }
}

/**
 * Ends the process with this status, after its 'exit' listeners. Node would wait for every thread, and one that is in a system call that
 * does not return never ends.
 */
export function endProcess(status: number): never {
  const leave = systemLibrary()?.func('void _exit(int status)') as ((status: number) => void) | undefined;
  if (leave) process.on('exit', () => leave(status));
  process.exit(status);
}
