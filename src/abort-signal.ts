// What stops a run: an AbortSignal is one. A type of our own, because published types must need neither Node's nor a browser's.
import { FivefoldError } from './errors.ts';

/** The part of an AbortSignal that runs use. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** The reason itself if it has a code: it says more than that the run was aborted. */
export const abortedError = ({ reason }: AbortSignalLike): FivefoldError =>
  reason instanceof FivefoldError
    ? reason
    : new FivefoldError('RUN_ABORTED', { problem: reason instanceof Error ? reason.message : String(reason) });

/** @throws RUN_ABORTED if the signal is aborted */
export function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

export interface Stop {
  readonly signal: AbortSignalLike;
  abort(reason: unknown): void;
  /** Forgets the signal that it follows. */
  release(): void;
}

/** A signal of its own that is aborted with `signal` too. */
export function stoppedBy(signal: AbortSignalLike | undefined): Stop {
  const controller = new AbortController();
  const follow = (): void => controller.abort(signal!.reason);
  if (signal?.aborted) follow();
  else signal?.addEventListener('abort', follow);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    release: () => signal?.removeEventListener('abort', follow),
  };
}
