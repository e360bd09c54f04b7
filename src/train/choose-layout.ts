// `--layout auto`: what this machine can do is measured, a layout chosen by it, and said why.
import { availableParallelism } from 'node:os';
import type { AbortSignalLike } from '../abort-signal.ts';
import { option } from '../errors.ts';
import { type Layout, oneRank, printLayout } from '../mesh/layout.ts';
import { checkRanks } from '../plan/machine.ts';
import { availableMemory } from '../runtime/available-memory.ts';
import { machineRates } from '../runtime/machine-rates.ts';
import type { WorldPool } from '../runtime/world-pool.ts';
import { type AutoLayout, type AutoLayoutOptions, autoLayout } from './auto-layout.ts';
import type { RunSettings } from './settings.ts';

export interface ChosenLayout {
  readonly layout: Layout;
  /** In a line. */
  readonly because: string;
}

/** What measuring the machine may need. */
export interface Measuring {
  readonly signal?: AbortSignalLike | undefined;
  readonly pool?: WorldPool | undefined;
}

type Step = Pick<AutoLayoutOptions, 'config' | 'seqLen' | 'globalBatch' | 'microBatch' | 'precision' | 'ofStep'>;

const oneRankRates = { alone: 1, together: [1], talk: { secondsPerCall: 0, secondsPerByte: 0 } };

/** Throws what runWorld throws. */
export async function chooseLayout(
  step: Step,
  speeds: RunSettings['speeds'],
  { pool, signal }: Measuring,
): Promise<ChosenLayout> {
  const cores = availableParallelism();
  const ranks = speeds === 'measure' ? undefined : speeds?.length;
  if (ranks !== undefined) checkRanks({ layout: { ...oneRank, dp: ranks } });
  const memoryBytes = availableMemory();
  const most = ranks ?? cores;
  // One rank is laid out in one way, however fast it is.
  const rates =
    most === 1 ? oneRankRates : await machineRates({ ranks: most, precision: step.precision, pool, signal });
  const chosen = autoLayout({
    ...step,
    ...{ cores, ranks, rates, memoryBytes },
    speeds: speeds === 'measure' ? rates.together : speeds,
  });
  return { layout: chosen.layout, because: reasonOf(chosen) };
}

function reasonOf({ layout, seconds, next }: AutoLayout): string {
  const what = `${option('layout')} ${printLayout(layout)} was chosen`;
  if (!next) return `${what}: there is no other that divides the model and the batch and fits`;
  const slower = Math.round((next.seconds / seconds - 1) * 100);
  const estimate = `by an estimate of ${seconds.toPrecision(2)} s a step`;
  return `${what} ${estimate}; next is ${printLayout(next.layout)}, ${slower === 0 ? 'as fast' : `${slower} % slower`}`;
}
