// The training rank in a thread whose garbage is collected before the run and after every step: what V8 then counts is held.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Transport } from '../src/runtime/transport/transport.ts';
import type { RankResult, TrainReport } from '../src/train/job.ts';
import { rank as trainRank } from '../src/train/rank.ts';

export interface AuditResult extends RankResult {
  /** Most bytes held at the end of a step over those before the run: array buffers, as V8 counts them, and registered memory. */
  readonly heldBytes: number;
}

export async function rank(
  transport: Transport,
  job: unknown,
  report: (message: TrainReport) => void,
): Promise<AuditResult> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = (): number => {
    // The first collection sweeps in the background; the next one waits for it.
    for (let i = 0; i < 3; i++) collect();
    return process.memoryUsage().arrayBuffers;
  };
  const before = held();
  let [heldBytes, registered] = [0, 0];
  const { allocate } = transport;
  transport.allocate = (bytes) => {
    registered += bytes;
    return allocate.call(transport, bytes);
  };
  const result = await trainRank(transport, job, (message) => {
    if (message.kind === 'step') heldBytes = Math.max(heldBytes, registered + held() - before);
    report(message);
  });
  return { ...result, heldBytes };
}
