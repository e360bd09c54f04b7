// `--layout auto`: what this machine can do is measured, a layout chosen by it, and said why.
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { type AbortSignalLike, throwIfAborted } from '../abort-signal.ts';
import { option } from '../errors.ts';
import { type Layout, oneRank, printLayout } from '../mesh/layout.ts';
import { checkRanks } from '../plan/machine.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { availableMemory } from '../runtime/available-memory.ts';
import { type MachineRates, machineRates } from '../runtime/machine-rates.ts';
import type { WorldPool } from '../runtime/world-pool.ts';
import {
  type AutoLayout,
  isThereAny,
  type LayoutChoice,
  layoutOfNone,
  mostRanks,
  searchLayouts,
} from './auto-layout.ts';
import type { RunSettings } from './settings.ts';

export interface ChosenLayout {
  readonly layout: Layout;
  /** In a line. */
  readonly because: string;
}

/** How far it is, for whoever waits: measurements of the machine, then estimates of layouts. */
export interface LayoutProgress {
  readonly doing: 'measuring' | 'estimating';
  readonly done: number;
  /** At most. */
  readonly total: number;
}

/** What measuring the machine may need. */
export interface Measuring {
  readonly signal?: AbortSignalLike | undefined;
  readonly pool?: WorldPool | undefined;
  readonly onProgress?: ((progress: LayoutProgress) => void) | undefined;
}

/** Throws what runWorld throws. */
export const measureMachine = (
  ranks: number,
  precision: Precision,
  { onProgress, ...measuring }: Measuring,
): Promise<MachineRates> =>
  machineRates({
    ...{ ranks, precision, ...measuring },
    onProgress: (progress) => onProgress?.({ doing: 'measuring', ...progress }),
  });

/** What of a step is known before it is laid out. */
export type AskedStep = Pick<
  LayoutChoice,
  'config' | 'seqLen' | 'globalBatch' | 'microBatch' | 'precision' | 'ofStep' | 'replicas'
>;

const oneRankRates = { alone: 1, together: [1], talk: { secondsPerCall: 0, secondsPerByte: 0 } };

/** What is chosen from; speeds that are to be measured are alike. */
function choiceOf(step: AskedStep, speeds: RunSettings['speeds']): LayoutChoice {
  const choice = { ...step, cores: availableParallelism(), memoryBytes: availableMemory() };
  if (speeds === 'measure') return { ...choice, speeds: Array<number>(mostRanks(choice)).fill(1) };
  if (speeds) checkRanks({ layout: { ...oneRank, dp: speeds.length } });
  return { ...choice, speeds, ranks: speeds?.length };
}

/** Where there is nothing to choose: the layout that says why when it is refused. */
export function layoutIfNone(step: AskedStep, speeds: RunSettings['speeds']): Layout | undefined {
  const choice = choiceOf(step, speeds);
  return isThereAny(choice) ? undefined : layoutOfNone(choice);
}

/** Throws what runWorld throws. */
export async function chooseLayout(
  step: AskedStep,
  speeds: RunSettings['speeds'],
  measuring: Measuring,
): Promise<ChosenLayout> {
  const choice = choiceOf(step, speeds);
  const most = mostRanks(choice);
  // One rank is laid out in one way, however fast it is.
  const rates = most === 1 ? oneRankRates : await measureMachine(most, step.precision, measuring);
  const chosen = await estimated(
    searchLayouts({ ...choice, rates, ...(speeds === 'measure' ? { speeds: rates.together } : {}) }),
    measuring,
  );
  return { layout: chosen.layout, because: reasonOf(chosen) };
}

/** Estimates to the end, letting a signal in between. @throws RUN_ABORTED */
async function estimated(
  estimating: ReturnType<typeof searchLayouts>,
  { signal, onProgress }: Measuring,
): Promise<AutoLayout> {
  for (;;) {
    const { done, value } = estimating.next();
    if (done) return value;
    onProgress?.({ doing: 'estimating', ...value });
    await setImmediate();
    throwIfAborted(signal);
  }
}

function reasonOf({ layout, seconds, next }: AutoLayout): string {
  const what = `${option('layout')} ${printLayout(layout)} was chosen`;
  if (!next) return `${what}: there is no other that divides the model and the batch and fits`;
  const slower = Math.round((next.seconds / seconds - 1) * 100);
  const estimate = `by an estimate of ${seconds.toPrecision(2)} s a step`;
  return `${what} ${estimate}; next is ${printLayout(next.layout)}, ${slower === 0 ? 'as fast' : `${slower} % slower`}`;
}
