// Sizes of the model that divide or tile badly under a layout: what others near them would gain, by predicting the model that has them.
import { FivefoldError } from '../../errors.ts';
import { replicasOf } from '../../mesh/mesh.ts';
import { checkFit } from '../../model/fit.ts';
import { parameterCount, trainingFlopsPerToken } from '../../model/weights.ts';
import { type CostModel, trainingCosts } from '../training/costs.ts';
import { predictTraining } from '../training/predict-training.ts';
import type { TrainingScenario } from '../training/scenario.ts';
import type { Judged } from './judged.ts';
import { type SizeTried, sizesTried } from './sizes.ts';

export interface ShapeAdvice {
  /** E.g. `hidden size`. */
  readonly size: string;
  readonly from: number;
  readonly to: number;
  /** Of all parameters, those that there are more: -0.04 is 4 % fewer. */
  readonly parameters: number;
  /** Of the time of a token, what it takes more. */
  readonly time: number;
  /** Of that time, what is saved beside what kernels would take more (or less) if they went with the work of a token. */
  readonly gained: number;
}

/** What is less is no reason to make a model otherwise. */
const worthChanging = 0.01;

/** Of each size the best that gains anything, the most first. */
export function* shapeAdvice(base: Judged, model: CostModel): Generator<SizeTried, ShapeAdvice[], void> {
  const best = new Map<string, ShapeAdvice>();
  for (const tried of sizesTried(base.scenario, trainingCosts(base.scenario, model).kernel)) {
    yield tried;
    const advice = judge(base, tried, model);
    if (advice && advice.gained > Math.max(worthChanging, best.get(tried.size)?.gained ?? 0))
      best.set(tried.size, advice);
  }
  return [...best.values()].sort((a, b) => b.gained - a.gained);
}

function judge(
  { scenario, prediction }: Judged,
  { size, from, to, config, isPadding }: SizeTried,
  model: CostModel,
): ShapeAdvice | undefined {
  const other = { ...scenario, config };
  if (!divides(other)) return undefined;
  const { seqLen } = scenario;
  const { stepSeconds } = prediction;
  const time = predictTraining(other, model).stepSeconds / stepSeconds - 1;
  const work = trainingFlopsPerToken(config, seqLen) / trainingFlopsPerToken(scenario.config, seqLen) - 1;
  const expected = isPadding ? 0 : (work * prediction.time.compute) / stepSeconds;
  const parameters = parameterCount(config) / parameterCount(scenario.config) - 1;
  return { size, from, to, parameters, time, gained: expected - time };
}

function divides({ config, layout, seqLen, microBatch, microbatches }: TrainingScenario): boolean {
  try {
    checkFit(config, layout, { seqLen, microBatch, globalBatch: microBatch * microbatches * replicasOf(layout) });
    return true;
  } catch (error) {
    if (error instanceof FivefoldError) return false;
    throw error;
  }
}
