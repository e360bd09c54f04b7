// A run that outlives its ranks: one that is lost is started again and all go on from the last checkpoint; one that is lost again and
// again is given up, and the others go on in a layout for fewer.
import { FivefoldError } from '../errors.ts';
import { printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import type { RestartReport } from './job.ts';
import type { RunPlan } from './plan-run.ts';
import { goOnFrom } from './restarted-run.ts';

export interface Loss {
  readonly rank?: number;
  readonly problem: string;
}

/** What a world that ended with this error has lost; undefined: what would end it again, or is no loss. */
export function lossOf(error: unknown): Loss | undefined {
  if (!(error instanceof FivefoldError)) return undefined;
  const { rank, problem, site, seconds, waitingFor } = error.values;
  if (error.code === 'RANK_FAILED')
    return { rank: Number(rank), problem: `${problem}${site === undefined || site === '' ? '' : ` at ${site}`}` };
  if (error.code === 'COLLECTIVE_TIMEOUT') return { problem: `rank ${rank} waited ${seconds} s for ${waitingFor}` };
  return undefined;
}

/** A loss, and the last step that the lost rank has ever done. */
export interface LossAt extends Loss {
  readonly done: number;
}

/** Whether a rank is lost for good: it was lost twice in a row, without a step more between. */
export const isGivenUp = (before: LossAt | undefined, now: LossAt): boolean =>
  before !== undefined && now.rank !== undefined && before.rank === now.rank && before.done === now.done;

/** Told that a rank has done a step. */
export type OnStep = (rank: number, step: number) => void;

/** Runs a plan's world, and after each loss that of what is left to do, as often as the run may be restarted. */
export async function withRestarts<T>(
  plan: RunPlan,
  onRestart: ((report: RestartReport) => void) | undefined,
  runOnce: (plan: RunPlan, onStep: OnStep) => Promise<T>,
): Promise<T> {
  let left = plan.settled.given.restart ?? 0;
  let before: LossAt | undefined;
  let done: number[] = [];
  for (let current = plan; ; ) {
    try {
      return await runOnce(current, (rank, step) => {
        done[rank] = Math.max(done[rank] ?? 0, step);
      });
    } catch (error) {
      const loss = lossOf(error);
      if (!loss || left === 0) throw error;
      const now = { ...loss, done: done[loss.rank ?? 0] ?? 0 };
      const givenUp = isGivenUp(before, now);
      const next = goOnFrom(current, givenUp ? worldSize(current.settled.layout) - 1 : undefined);
      if (!next) throw error;
      left--;
      // In another layout ranks have other numbers and other work.
      before = givenUp ? undefined : now;
      if (givenUp) done = [];
      current = next;
      const layout = printLayout(next.settled.layout);
      onRestart?.({ kind: 'restart', ...loss, step: next.stepsDone, layout, givenUp, left });
    }
  }
}
