// What stops a run: an AbortSignal is one. A type of our own, because published types must need neither Node's nor a browser's.
import { FivefoldError } from './errors.ts';

/** The part of an AbortSignal that runs use. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export const abortedError = (signal: AbortSignalLike): FivefoldError =>
  new FivefoldError('RUN_ABORTED', {
    problem: signal.reason instanceof Error ? signal.reason.message : String(signal.reason),
  });

/** @throws RUN_ABORTED if the signal is aborted */
export function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}
