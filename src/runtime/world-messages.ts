// What the launcher and its workers say to each other, and errors in a form that crosses threads.
import { FivefoldError } from '../errors.ts';
import type { ThreadsShared } from './transport/threads/world-state.ts';
import type { Transport } from './transport/transport.ts';

/** What a rank module exports as `rank`. Reports reach the launcher at once, even while the rank then blocks. */
export type RankFunction = (transport: Transport, job: unknown, report: (message: unknown) => void) => Promise<unknown>;

export type ToWorker =
  | { readonly kind: 'prepare'; readonly module: string }
  | {
      readonly kind: 'go';
      readonly shared: ThreadsShared;
      readonly rank: number;
      readonly job: unknown;
      /** Where the rank lists the native objects that it makes: see onnx/holdings.ts. */
      readonly holdings: SharedArrayBuffer;
    };

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'report'; readonly message: unknown }
  | { readonly kind: 'done'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** An error thrown in a worker. */
export interface Failure {
  readonly message: string;
  readonly stack: string | undefined;
  /** The code and values of a FivefoldError. */
  readonly known: Pick<FivefoldError, 'code' | 'values' | 'exit'> | undefined;
  /** True if the world was ending already: another rank is the cause. */
  readonly secondary: boolean;
}

export function failureOf(error: unknown, secondary: boolean): Failure {
  if (error instanceof FivefoldError) {
    const { code, values, exit, marked, stack } = error;
    return { message: marked, stack, known: { code, values, exit }, secondary };
  }
  if (!(error instanceof Error)) return { message: String(error), stack: undefined, known: undefined, secondary };
  const message = error.name === 'Error' ? error.message : `${error.name}: ${error.message}`;
  return { message, stack: error.stack, known: undefined, secondary };
}
