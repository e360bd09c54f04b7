// The planner as a library (`fivefold/planner`): what a layout of a cluster takes, and which is best. Pure functions over plain objects,
// for a browser as for Node. examples/plan.ts is a start.
export { FivefoldError } from './errors.ts';
export { type Layout, oneRank, parseLayout, printLayout } from './mesh/layout.ts';
export { worldSize } from './mesh/mesh.ts';
export type { ModelConfig } from './model/config.ts';
export { parseModelConfig } from './model/families.ts';
export { checkFit } from './model/fit.ts';
export { presets } from './model/presets.ts';
export { parameterCount, trainingFlopsPerToken } from './model/weights.ts';
export { fittedCosts } from './plan/cost/fitted-costs.ts';
export { type Bottleneck, bottleneckOf, type Shortage } from './plan/explain/bottleneck.ts';
export { compareTimes, type Difference } from './plan/explain/compare.ts';
export { deviceOf, devices } from './plan/hardware/catalogue/devices.ts';
export type { Cluster, Tier } from './plan/hardware/cluster.ts';
export { parseClusterFile } from './plan/hardware/cluster-file.ts';
export { parseCluster } from './plan/hardware/cluster-name.ts';
export type { Device } from './plan/hardware/device.ts';
export type { NumberFormat } from './plan/hardware/number-format.ts';
export { searchFront } from './plan/search/front.ts';
export { type ObjectiveName, objectiveNames, type TokenCosts, tokenCosts } from './plan/search/objective.ts';
export { bestLayouts, type Found, type SearchResult, searchLayouts } from './plan/search/search.ts';
export type { SearchTask } from './plan/search/task.ts';
export { predictServing } from './plan/serving/predict-serving.ts';
export type { ServingPrediction, ServingScenario } from './plan/serving/scenario.ts';
export { currentSoftware, type Software } from './plan/software/software.ts';
export type { CostModel } from './plan/training/costs.ts';
export { fits } from './plan/training/fits.ts';
export { playTraining, predictTraining } from './plan/training/predict-training.ts';
export { type ScalingPoint, scalingCurve } from './plan/training/scaling-curve.ts';
export {
  mixedPrecision,
  type StepTime,
  type TrainingFormats,
  type TrainingMemory,
  type TrainingPrediction,
  type TrainingScenario,
} from './plan/training/scenario.ts';
