// What the command line needs of the system and Node has no call for: a process that ends, whatever its threads are doing.
import koffi from 'koffi';

const hasLibrary = process.platform === 'linux' || process.platform === 'darwin';

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
  if (process.platform !== 'linux' && process.platform !== 'darwin') return;
  const { flagsAt, resetHand } = layouts[process.platform];
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

/**
 * Ends the process with this status, after its 'exit' listeners. Node would wait for every thread, and one that is in a system call that
 * does not return never ends.
 */
export function endProcess(status: number): never {
  if (hasLibrary) {
    const leave = koffi.load(null).func('void _exit(int status)') as (status: number) => void;
    process.on('exit', () => leave(status));
  }
  process.exit(status);
}
