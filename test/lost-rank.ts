// The training rank, one of which is lost after a step: `?rank=1&step=5&death=stall`, once, or with `&again` whenever there are several.
import type { Transport } from '../src/runtime/transport/transport.ts';
import type { RankResult, TrainJob, TrainReport } from '../src/train/job.ts';
import { rank as trainRank } from '../src/train/rank.ts';
import { type Death, die } from './dying-rank.ts';

const told = new URL(import.meta.url).searchParams;

export async function rank(
  transport: Transport,
  job: unknown,
  report: (message: TrainReport) => void,
): Promise<RankResult> {
  const { stepsDone } = job as TrainJob;
  const isLost =
    transport.rank === Number(told.get('rank')) && (told.has('again') ? transport.size > 1 : stepsDone === 0);
  return trainRank(transport, job, (message) => {
    report(message);
    if (isLost && message.kind === 'step' && message.step === Number(told.get('step')))
      die(told.get('death') as Death, transport, job as TrainJob);
  });
}
