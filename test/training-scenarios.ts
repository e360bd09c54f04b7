// Scenarios of training for tests of predictions: a small named model on a cluster.
import { findModel } from '../src/checkpoint/model-source.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { replicasOf } from '../src/mesh/mesh.ts';
import { parseCluster } from '../src/plan/hardware/cluster-name.ts';
import { currentSoftware } from '../src/plan/software/software.ts';
import { mixedPrecision, type TrainingScenario } from '../src/plan/training/scenario.ts';

export interface NamedScenario {
  readonly layout: string;
  readonly cluster: string;
  readonly globalBatch: number;
  readonly model?: string;
}

/** Microbatches of one sequence of 4,096 tokens in bf16. */
export function namedScenario({
  layout: text,
  cluster,
  globalBatch,
  model = 'llama-3.1-8b',
}: NamedScenario): TrainingScenario {
  const layout = parseLayout(text);
  return {
    config: findModel(model).config,
    layout,
    seqLen: 4096,
    microBatch: 1,
    microbatches: globalBatch / replicasOf(layout),
    cluster: parseCluster(cluster),
    formats: mixedPrecision('bf16'),
    software: currentSoftware,
  };
}
