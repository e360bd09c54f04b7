// What a failed world leaves on disk: every rank's last calls, where they may explain the failure.
import { type ErrorCode, FivefoldError } from '../errors.ts';
import { writeFlightRecords } from './flight-recorder.ts';
import { recordsOf, type ThreadsShared } from './transport/threads/world-state.ts';

const errorsBetweenRanks: readonly ErrorCode[] = [
  'RANK_FAILED',
  'COLLECTIVE_TIMEOUT',
  'COLLECTIVE_MISMATCH',
  'RUN_ABORTED',
];

/** Whether what the ranks did last may explain an error. */
const isBetweenRanks = (error: Error): boolean =>
  !(error instanceof FivefoldError) || errorsBetweenRanks.includes(error.code);

/** `activities`: what each rank was doing when the world failed. */
export function leaveRecords(folder: string, shared: ThreadsShared, activities: readonly string[], error: Error): void {
  if (!isBetweenRanks(error)) return;
  try {
    for (const [rank, activity] of activities.entries())
      writeFlightRecords(folder, rank, activity, recordsOf(shared, rank));
  } catch (problem) {
    // What cannot be recorded, on a full disk for one, must not hide what happened.
    if (!(problem instanceof Error && 'syscall' in problem)) throw problem;
  }
}
