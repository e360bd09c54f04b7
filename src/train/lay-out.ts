// How a run is laid out over ranks: as it is asked for, or by what this machine is measured to do.
import { option } from '../errors.ts';
import { type Layout, printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { checkLength, checkRanks, checkTrainingFits } from '../plan/machine.ts';
import { availableMemory } from '../runtime/available-memory.ts';
import type { StepSettings } from '../step/settings.ts';
import { chooseLayout, layoutIfNone, type Measuring, measureMachine } from './choose-layout.ts';
import { type Division, divide } from './division.ts';
import type { RunManifest } from './manifest.ts';
import { checkReplicas } from './replicas.ts';
import type { TrainSettings } from './settings.ts';
import type { AskedLayout, LaidOut, Settled } from './settled.ts';

/** Speeds of the run gone on with are of its ranks: they stay where there are as many. */
export function speedsOf(
  { speeds }: TrainSettings,
  before: RunManifest | undefined,
  layout: AskedLayout['layout'],
): Pick<AskedLayout, 'speeds' | 'notes'> {
  const kept = speeds ?? before?.run.speeds;
  if (kept === undefined) return { notes: [] };
  const ofOthers = speeds === undefined && kept !== 'measure' && layout !== 'auto' && worldSize(layout) !== kept.length;
  if (!ofOthers) return { speeds: kept, notes: [] };
  const gone = `${option('speeds')} ${kept.join()} was of the ${kept.length} ranks that the run had`;
  return { notes: [`${gone}: those of ${printLayout(layout)} are taken for alike`] };
}

/** @throws an error of exit status 2 for what cannot be, whatever the machine is measured to do */
export function checkLayout(settled: Settled): void {
  const { layout, speeds, step } = settled.asked;
  const tried = layout === 'auto' ? layoutIfNone(step, speeds) : layout;
  if (!tried) return;
  checkRanks({ layout: tried });
  const isMeasured = speeds === 'measure';
  const division = divideAs(settled, tried, isMeasured ? Array<number>(worldSize(tried)).fill(1) : speeds);
  // Ranks that are alike have the fewest microbatches, the longest of any.
  if (isMeasured) checkLength(stepOf(settled, division), availableMemory());
  else checkMemory(settled, division);
}

/**
 * Measures the machine where the settings ask for it.
 * @throws an error of exit status 2 when the run does not fit the machine; RUN_ABORTED
 */
export async function layOut(settled: Settled, measuring: Measuring): Promise<LaidOut> {
  const { asked, run, ...rest } = settled;
  const { step, speeds } = asked;
  const chosen = asked.layout === 'auto' ? await chooseLayout(step, speeds, measuring) : undefined;
  const layout = chosen?.layout ?? (asked.layout as Layout);
  const ofRanks =
    speeds === 'measure' ? (await measureMachine(worldSize(layout), step.precision, measuring)).together : speeds;
  const division = divideAs(settled, layout, ofRanks);
  if (chosen || speeds === 'measure') checkMemory(settled, division);
  const { microBatch, notes, ...divided } = division;
  return {
    ...rest,
    ...divided,
    notes: [...asked.notes, ...notes],
    ...(chosen ? { because: chosen.because } : {}),
    run: { ...run, layout: printLayout(layout), ...(speeds ? { speeds } : {}), microBatch },
  };
}

function divideAs({ asked, run, before }: Settled, layout: Layout, speeds: readonly number[] | undefined): Division {
  const { microBatch: given, replicas: _, ofStep, ...step } = asked.step;
  const microBatch = { given, before: asked.microBatchBefore };
  const division = divide({ ...step, ...ofStep, layout, microBatch, ...(speeds ? { speeds } : {}) });
  checkReplicas(run, division.layout, before);
  return division;
}

function stepOf({ asked }: Settled, { notes: _, ...division }: Division): StepSettings {
  const { config, precision, seqLen, ofStep } = asked.step;
  return { config, precision, seqLen, ...ofStep, ...division };
}

const checkMemory = (settled: Settled, division: Division): void =>
  checkTrainingFits(stepOf(settled, division), availableMemory());
