// The training rank, one of which ends in the way it is told when its second step is reported.
import { fail } from '../src/errors.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';
import type { RankResult, TrainJob, TrainReport } from '../src/train/job.ts';
import { rank as trainRank } from '../src/train/rank.ts';

export type Death = 'none' | 'exit' | 'throw' | 'stall' | 'heap' | 'mismatch' | 'circle' | 'refused';

export interface DyingJob extends TrainJob {
  readonly dying: number;
  readonly death: Death;
}

export async function rank(
  transport: Transport,
  job: unknown,
  report: (message: TrainReport) => void,
): Promise<RankResult> {
  const { dying, death } = job as DyingJob;
  return trainRank(transport, job, (message) => {
    report(message);
    if (message.kind === 'step' && message.step === 2 && transport.rank === dying)
      die(death, transport, job as TrainJob);
  });
}

/** Ends this rank. */
export function die(death: Death, transport: Transport, { settings }: TrainJob): void {
  switch (death) {
    case 'none':
      return;
    case 'exit':
      process.exit(3);
      break;
    case 'throw':
      throw new Error('no more');
    case 'refused':
      fail('DATA_EMPTY', { path: 'tokens.bin', fix: 'pass another file' });
      break;
    case 'mismatch':
      transport.send(transport.rank - 1, new Float32Array(3), 0, 'a message of its own');
      break;
    case 'circle': {
      // The stage before sends its activations of the next step and then waits for gradients.
      const { microBatch, seqLen, config } = settings;
      const activations = new Float32Array(microBatch * seqLen * config.hiddenSize);
      for (;;) transport.recv(transport.rank - 1, activations, 0, 'activations');
    }
    case 'heap': {
      const kept: number[][] = [];
      for (let i = 0; ; i++) {
        transport.heartbeat('filling memory');
        kept.push(new Array<number>(10_000).fill(i));
      }
    }
    case 'stall':
      for (;;);
  }
}
