// What the cores of this machine can do, measured once for all that asks: for choosing a layout, and how fast each rank is.
import type { AbortSignalLike } from '../abort-signal.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { measureTalkCost, type TalkCost } from './all-reduce-rate.ts';
import { measureMatrixRate, measureSpeeds } from './matrix-rate.ts';
import { createPool, type WorldPool } from './world-pool.ts';

export interface MachineRates {
  /** FLOP/s of matrix products on one rank alone. */
  readonly alone: number;
  /** The same of each rank while all of them compute. */
  readonly together: readonly number[];
  /** Among all of them; free where there is one. */
  readonly talk: TalkCost;
}

interface Measuring {
  readonly ranks: number;
  readonly precision: Precision;
  readonly pool?: WorldPool | undefined;
  readonly signal?: AbortSignalLike | undefined;
}

const freeTalk: TalkCost = { secondsPerCall: 0, secondsPerByte: 0 };
/** Of each rate. */
const seconds = 0.15;

/** By what was measured: a machine does not change while a process runs. */
const known = new Map<string, MachineRates>();

/** Takes half a second, besides starting the ranks, once in a process. Throws what runWorld throws. */
export async function machineRates({ ranks, precision, pool: given, signal }: Measuring): Promise<MachineRates> {
  const key = `${ranks} ${precision}`;
  const pool = given ?? createPool();
  const common = { precision, seconds, pool, ...(signal ? { signal } : {}) };
  try {
    const rates = known.get(key) ?? {
      alone: await measureMatrixRate({ ranks: 1, ...common }),
      together: await measureSpeeds({ ranks, ...common }),
      talk: ranks > 1 ? await measureTalkCost({ ranks, pool, ...(signal ? { signal } : {}) }) : freeTalk,
    };
    known.set(key, rates);
    return rates;
  } finally {
    if (!given) await pool.close();
  }
}
