// Writes the page of --report.
import { writeFileSync } from 'node:fs';
import { checkWritable, refusing } from '../files/writable-file.ts';
import { replicasOf } from '../mesh/mesh.ts';
import { alternatives } from '../plan/explain/alternatives.ts';
import { predictorOf } from '../plan/explain/judged.ts';
import { judgeRules } from '../plan/explain/rules.ts';
import { trainingRules } from '../plan/explain/training-rules.ts';
import { devicesText } from '../plan/hardware/kinds.ts';
import type { CostModel } from '../plan/training/costs.ts';
import { playTraining } from '../plan/training/predict-training.ts';
import { scalingCurve } from '../plan/training/scaling-curve.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import { type Report, writeReport } from '../report/report.ts';
import { refuse } from '../train/refuse.ts';
import type { Asked } from './asked.ts';

/** Before any work: that a file can be written there. */
export const checkPage = (path: string): void => checkWritable(path, unwritable(path));

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

export const writePageText = (path: string, text: string): void =>
  refusing(() => writeFileSync(path, text), unwritable(path));

const unwritable =
  (path: string) =>
  (problem: string): never =>
    refuse('report', `${path} cannot be written: ${problem}`, 'name a file in a folder that exists, such as plan.html');

/** The names and values of what was asked. */
export function askedOf(
  { model, software }: Pick<Asked, 'model' | 'software'>,
  { cluster, seqLen, microBatch, microbatches, layout, formats }: TrainingScenario,
): Report['asked'] {
  return [
    ['model', model],
    ['cluster', `${cluster.name}: ${devicesText(cluster)}`],
    ['tokens of a sequence', `${seqLen}`],
    ['sequences of a step', `${microBatch * microbatches * replicasOf(layout)}`],
    ['products in', formats.products],
    ['software', software.name],
  ];
}
