// The training rank in a thread whose garbage has just been collected, so that what it then holds is its own.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Transport } from '../src/runtime/transport/transport.ts';
import type { RankResult, TrainReport } from '../src/train/job.ts';
import { rank as trainRank } from '../src/train/rank.ts';

export async function rank(
  transport: Transport,
  job: unknown,
  report: (message: TrainReport) => void,
): Promise<RankResult> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Array buffers are given back in the turn after a collection.
  for (let i = 0; i < 2; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return trainRank(transport, job, report);
}
