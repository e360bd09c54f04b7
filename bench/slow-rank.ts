// A training rank of a world in which some are slow: whatever such a rank computes takes longer, as many times as the numbers after the
// module's name say by rank (`slow-rank.ts?1,2`). It computes what any other does and then keeps its core busy.
import type { Transport } from '../src/runtime/transport/transport.ts';
import type { RankResult, TrainReport } from '../src/train/job.ts';
import { type Pace, rank as trainRank } from '../src/train/rank.ts';

const times = new URL(import.meta.url).search.slice(1).split(',').map(Number);

export function rank(transport: Transport, job: unknown, report: (message: TrainReport) => void): Promise<RankResult> {
  if (times.length !== transport.size) throw new Error(`${times.length} paces for ${transport.size} ranks`);
  return trainRank(transport, job, report, slowedDown(times[transport.rank]!));
}

const talks: readonly string[] = ['collective', 'send', 'recv'];

const slowedDown =
  (factor: number): Pace =>
  ({ kind }, start, end) => {
    if (factor === 1 || talks.includes(kind)) return end;
    const wanted = start + factor * (end - start);
    let now = end;
    while (now < wanted) now = performance.timeOrigin + performance.now();
    return now;
  };
