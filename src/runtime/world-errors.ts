// The errors that a world ends with, made from what its ranks say or do not say.
import { type ErrorCode, FivefoldError } from '../errors.ts';
import { lastSite, type ThreadsShared } from './transport/threads/world-state.ts';
import type { Failure } from './world-messages.ts';

/** What errors of a world are made with. */
export interface Origin {
  readonly shared: ThreadsShared;
  /** Where a failed world leaves every rank's flight recorder. */
  readonly recorderDir?: string | undefined;
}

const recorder = ({ recorderDir }: Origin): { recorder?: string } =>
  recorderDir === undefined ? {} : { recorder: recorderDir };

/** RANK_FAILED, in one line. */
export function rankFailed(origin: Origin, rank: number, problem: string, cause?: unknown): FivefoldError {
  const error = new FivefoldError('RANK_FAILED', {
    rank,
    site: lastSite(origin.shared, rank),
    problem: problem.trim().replace(/\s*\n\s*/g, ' '),
    ...recorder(origin),
  });
  error.cause = cause;
  return error;
}

const speakForThemselves: readonly ErrorCode[] = [
  'COLLECTIVE_TIMEOUT',
  'COLLECTIVE_MISMATCH',
  'RUN_ABORTED',
  'SAVE_FAILED',
  'TRAINING_DIVERGED',
];

/** What a rank threw, as the world throws it. */
export function errorOf(origin: Origin, rank: number, { known, message, stack, secondary }: Failure): Error {
  if (known?.exit === 2) return new FivefoldError(known.code, known.values);
  if (known && (speakForThemselves.includes(known.code) || (secondary && known.code === 'RANK_FAILED')))
    return new FivefoldError(known.code, { ...known.values, ...recorder(origin) });
  return rankFailed(origin, rank, message, stack);
}
