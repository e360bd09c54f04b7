// The library: what a program needs to train, predict and generate with layouts of its own.

export type { AbortSignalLike } from './abort-signal.ts';
export { readManifest } from './checkpoint/commit.ts';
export { openCheckpoint, openOptimizer } from './checkpoint/hf-directory.ts';
export { findModel, type ModelSource } from './checkpoint/model-source.ts';
export { epochSequences, stepsForEpochs, timesSeen } from './data/epochs.ts';
export { findCorpus } from './data/sample-corpus.ts';
export { type DataFiles, dataSources, type PreparedSource, type TokenSource } from './data/source.ts';
export { type TextStream, textStream } from './data/text-stream.ts';
export { byteTokenizer, loadTokenizer, type Tokenizer } from './data/tokenizer.ts';
export { type PreparedData, type PrepareOptions, prepareTokens } from './data/tokens.ts';
export { type ErrorCode, errorTable, FivefoldError } from './errors.ts';
export { readScheduleFile } from './files/schedule-file.ts';
export { generate } from './generate/generate.ts';
export type { Ending, Generated } from './generate/job.ts';
export type { GenerateOptions } from './generate/options.ts';
export { type Layout, oneRank, parseLayout, printLayout } from './mesh/layout.ts';
export {
  type Axis,
  axes,
  type Channel,
  type Coords,
  coordsOf,
  type Group,
  groupOf,
  type Mesh,
  worldGroup,
  worldSize,
} from './mesh/mesh.ts';
export { type CollectiveOp, trafficBytes } from './mesh/traffic.ts';
export type { ModelConfig } from './model/config.ts';
export { parseModelConfig } from './model/families.ts';
export { type BatchShape, checkFit } from './model/fit.ts';
export { presets } from './model/presets.ts';
export { matrixWeights, parameterCount, trainingFlopsPerToken } from './model/weights.ts';
export { type BytesSent, predictPrograms, predictRank, type RankPrediction } from './plan/predict-step.ts';
export { printScaling, type Scaling, scalingOf, serialShare } from './plan/scaling.ts';
export { type CompiledProgram, type CompileOptions, compileProgram } from './runtime/compile-program.ts';
export { isRank } from './runtime/is-rank.ts';
export { type MachineRates, machineRates } from './runtime/machine-rates.ts';
export { type ProgramRun, runProgram } from './runtime/run-program.ts';
export { type RanksOptions, runRanks } from './runtime/run-ranks.ts';
export type { Transport } from './runtime/transport/transport.ts';
export { createPool, type HeapLimits, type WorldPool } from './runtime/world-pool.ts';
export { describe } from './schedule/describe.ts';
export { draw } from './schedule/draw.ts';
export { parseSchedule } from './schedule/parse.ts';
export { play } from './schedule/play.ts';
export type { Schedule, Work } from './schedule/schedule.ts';
export { forwardScheduleOf, scheduleOf } from './schedule/schedules.ts';
export { verify } from './schedule/verify.ts';
export { type StepSettings, tokensPerStep } from './step/settings.ts';
export type { RankProgram, TrainingStep } from './step/step.ts';
export { buildTrainingStep } from './step/training-step.ts';
export { type AutoLayoutOptions, autoLayout } from './train/auto-layout.ts';
export type { RankResult, RestartReport, StepReport, TrainReport } from './train/job.ts';
export type { TrainHooks, TrainSummary } from './train/launch.ts';
export { defaultMicroBatch } from './train/micro-batch.ts';
export { type OptimizerSettings, optimizerDefaults } from './train/optimizer.ts';
export type { RunPlan } from './train/plan-run.ts';
export { type RunSettings, type TrainSettings, trainDefaults } from './train/settings.ts';
export { type TrainOptions, train } from './train/train.ts';
