// What changes the answer: links, batch and memory, each twice and half of what they are, with a search of its own.
import { replicasOf } from '../../mesh/mesh.ts';
import { dualPipeProblem } from '../../schedule/dual-pipe.ts';
import { figuresOf, type ObjectiveName, objectiveValue } from '../search/objective.ts';
import { type Found, type Searching, searchLayouts } from '../search/search.ts';
import type { SearchTask } from '../search/task.ts';
import type { CostModel } from '../training/costs.ts';
import { fitsAll } from '../training/fits.ts';
import { isOffloaded, noOffload, printOffload } from '../training/offload.ts';
import { predictTraining } from '../training/predict-training.ts';
import type { TrainingScenario } from '../training/scenario.ts';
import { type ClusterChange, linkChanges, memoryChanges, twiceAndHalf } from './cluster-changes.ts';

/** Something else is asked. */
export interface Change {
  /** E.g. `node links twice as fast`. */
  readonly name: string;
  readonly task: SearchTask;
}

export interface Answer {
  readonly change: Change;
  /** What is best then; undefined: nothing fits. */
  readonly best?: Found;
  /** The layout that was asked about; undefined: it does not divide the batch, or does not fit. */
  readonly now?: Found;
  /** The best is that, or better by less than can be told. */
  readonly stays: boolean;
}

/** A layout that is better by less is none that anybody would change for: predictions are not as good as that. */
export const worthChanging = 0.01;

/** Of the links of every tier, of the batch, of a device's memory, and of what is on the hosts. */
export function changesAsked(task: SearchTask, { offload }: Pick<TrainingScenario, 'offload'>): Change[] {
  const { cluster, globalBatch } = task;
  const onCluster = (changed: ClusterChange): Change => ({
    name: changed.name,
    task: { ...task, cluster: changed.cluster },
  });
  const batch = twiceAndHalf('the batch', 'as large').map(({ name, times }) => ({
    name,
    task: { ...task, globalBatch: times * globalBatch },
  }));
  return [
    ...linkChanges(cluster).map(onCluster),
    ...batch.filter(({ task: { globalBatch: sequences } }) => Number.isInteger(sequences)),
    ...memoryChanges(cluster).map(onCluster),
    ...(offload && isOffloaded(offload)
      ? [{ name: 'nothing on the hosts', task: { ...task, offload: noOffload } }]
      : []),
  ];
}

/**
 * What is best when this is asked in place of what the layout was an answer to. `others`: good ones of now, which the search then has to beat;
 * they make it shorter and change nothing else.
 */
export function* answerTo(
  change: Change,
  scenario: TrainingScenario,
  others: readonly TrainingScenario[],
  model: CostModel,
  objective: ObjectiveName,
): Generator<Searching, Answer, void> {
  const { task } = change;
  const [now, ...rest] = [scenario, ...others].map((each) => foundIn(task, each, model, objective));
  const known = [now, ...rest].filter((each) => each !== undefined).sort((a, b) => a.value - b.value);
  const { found } = yield* searchLayouts(task, model, { objective, top: 1, known: known.slice(0, 1) });
  const [best] = found;
  if (!best) return { change, stays: false };
  if (!now) return { change, best, stays: false };
  return { change, best, now, stays: now.value < (1 + worthChanging) * best.value };
}

/** The same layout; of a smaller batch with smaller microbatches, where it must. */
function foundIn(
  { globalBatch, offload: asked, ...given }: SearchTask,
  { layout, microBatch: most, offload = noOffload }: TrainingScenario,
  model: CostModel,
  objective: ObjectiveName,
): Found | undefined {
  const share = globalBatch / replicasOf(layout);
  if (!Number.isInteger(share)) return undefined;
  const microBatch = share % most === 0 ? most : 1;
  if (layout.schedule === 'dualpipe' && dualPipeProblem(layout.pp, share / microBatch)) return undefined;
  // Of what it has on its hosts, only as much as was asked.
  if (asked && printOffload(asked) !== printOffload(offload)) return undefined;
  const moved = isOffloaded(offload) ? { offload } : {};
  const scenario = { ...given, ...moved, layout, microBatch, microbatches: share / microBatch };
  const prediction = predictTraining(scenario, model);
  if (!fitsAll(scenario, prediction)) return undefined;
  return { scenario, prediction, value: objectiveValue(objective, given.cluster, figuresOf(prediction)) };
}
