// A layout with what was predicted of it, and how others of the same task are.
import { replicasOf } from '../../mesh/mesh.ts';
import type { SearchTask } from '../search/task.ts';
import type { CostModel } from '../training/costs.ts';
import { layoutName, type Offload } from '../training/offload.ts';
import { predictTraining } from '../training/predict-training.ts';
import type { TrainingPrediction, TrainingScenario } from '../training/scenario.ts';
import { withStagesByKind } from '../training/stages-by-kind.ts';

export interface Judged {
  readonly scenario: TrainingScenario;
  readonly prediction: TrainingPrediction;
}

export type Predict = (scenario: TrainingScenario) => TrainingPrediction;

/** Predicts layouts of one model on one cluster, each once: where devices are of several kinds with layers by kind, unless they are said. */
export function predictorOf(model: CostModel): Predict {
  const known = new Map<string, TrainingPrediction>();
  return (scenario) => {
    const name = nameOf(scenario);
    const found = known.get(name) ?? predictTraining(withStagesByKind(scenario, model), model);
    known.set(name, found);
    return found;
  };
}

const nameOf = ({ layout, offload, microBatch, microbatches }: TrainingScenario): string =>
  `${layoutName({ layout, ...(offload ? { offload } : {}) })} ${microBatch} ${microbatches}`;

export const isSameLayout = (a: TrainingScenario, b: TrainingScenario): boolean => nameOf(a) === nameOf(b);

/** The same where layouts may have this on their hosts; undefined: what they need. */
export function withOffload({ offload: _, ...task }: SearchTask, offload: Offload | undefined): SearchTask {
  return offload ? { ...task, offload } : task;
}

/** What a scenario's layout was one answer to. */
export function taskOfScenario({ layout, microBatch, microbatches, ...given }: TrainingScenario): SearchTask {
  return { ...given, globalBatch: microBatch * microbatches * replicasOf(layout) };
}
