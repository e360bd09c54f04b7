// The training rank, one of which ends its thread, throws or stalls when its second step is reported.
import type { Transport } from '../src/runtime/transport/transport.ts';
import type { RankResult, TrainJob, TrainReport } from '../src/train/job.ts';
import { rank as trainRank } from '../src/train/rank.ts';

export interface DyingJob extends TrainJob {
  readonly dying: number;
  readonly death: 'exit' | 'throw' | 'stall';
}

export async function rank(
  transport: Transport,
  job: unknown,
  report: (message: TrainReport) => void,
): Promise<RankResult> {
  const { dying, death } = job as DyingJob;
  return trainRank(transport, job, (message) => {
    report(message);
    if (message.kind !== 'step' || message.step !== 2 || transport.rank !== dying) return;
    if (death === 'exit') process.exit(3);
    if (death === 'throw') throw new Error('no more');
    for (;;);
  });
}
