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
  /** Called before each measurement. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

const freeTalk: TalkCost = { secondsPerCall: 0, secondsPerByte: 0 };
/** Of each rate. */
const seconds = 0.15;

/** By what was measured: a machine does not change while a process runs. */
const known = new Map<string, MachineRates>();

/** Takes half a second, besides starting the ranks, once in a process. Throws what runWorld throws. */
export async function machineRates({ onProgress, ...measuring }: Measuring): Promise<MachineRates> {
  const { ranks, precision, pool: given, signal } = measuring;
  const key = `${ranks} ${precision}`;
  const before = known.get(key);
  if (before) return before;
  const pool = given ?? createPool();
  const common = { seconds, pool, ...(signal ? { signal } : {}) };
  const total = ranks > 1 ? 3 : 2;
  try {
    onProgress?.({ done: 0, total });
    const alone = await measureMatrixRate({ ranks: 1, precision, ...common });
    onProgress?.({ done: 1, total });
    const together = await measureSpeeds({ ranks, precision, ...common });
    if (ranks > 1) onProgress?.({ done: 2, total });
    const talk = ranks > 1 ? await measureTalkCost({ ranks, ...common }) : freeTalk;
    const rates = { alone, together, talk };
    known.set(key, rates);
    return rates;
  } finally {
    if (!given) await pool.close();
  }
}
