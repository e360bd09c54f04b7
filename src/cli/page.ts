// Writes the page of --report.
import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode, reasonOf } from '../files/system-errors.ts';
import { replicasOf } from '../mesh/mesh.ts';
import { alternatives } from '../plan/explain/alternatives.ts';
import { predictorOf } from '../plan/explain/judged.ts';
import { judgeRules } from '../plan/explain/rules.ts';
import { trainingRules } from '../plan/explain/training-rules.ts';
import type { CostModel } from '../plan/training/costs.ts';
import { playTraining } from '../plan/training/predict-training.ts';
import { scalingCurve } from '../plan/training/scaling-curve.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import { type Report, writeReport } from '../report/report.ts';
import { refuse } from '../train/refuse.ts';
import type { Asked } from './asked.ts';

/** Before any work: that a file can be written there. */
export function checkPage(path: string): void {
  writing(path, () => {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) refuse('report', `${path} is a folder`, fix);
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
  });
}

/** The pipeline, the scaling and what is explained are those of the first layout. */
export function writePage(
  path: string,
  report: Omit<Report, 'played' | 'curve' | 'alternatives' | 'rules'>,
  model: CostModel,
): void {
  const [first] = report.layouts as [Report['layouts'][number]];
  const { scenario } = first;
  const predict = predictorOf(model);
  const played = scenario.layout.pp > 1 ? { played: playTraining(scenario, model) } : {};
  const text = writeReport({
    ...report,
    ...played,
    curve: scalingCurve(scenario, model),
    alternatives: [...alternatives(first, predict)],
    rules: judgeRules(trainingRules, { ...first, predict }),
  });
  writePageText(path, text);
}

const fix = 'name a file in a folder that exists, such as plan.html';

export function writePageText(path: string, text: string): void {
  writing(path, () => writeFileSync(path, text));
}

function writing(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    refuse('report', `${path} cannot be written: ${reasonOf(code)}`, fix);
  }
}

/** The names and values of what was asked. */
export function askedOf(
  { model, software }: Pick<Asked, 'model' | 'software'>,
  { cluster, seqLen, microBatch, microbatches, layout, formats }: TrainingScenario,
): Report['asked'] {
  return [
    ['model', model],
    ['cluster', `${cluster.name}: ${cluster.devices} × ${cluster.device.title}`],
    ['tokens of a sequence', `${seqLen}`],
    ['sequences of a step', `${microBatch * microbatches * replicasOf(layout)}`],
    ['products in', formats.products],
    ['software', software.name],
  ];
}
