// Predicts a step of training on a cluster: the schedule is played with what its works cost, and what comes after it added.
import { worldSize } from '../../mesh/mesh.ts';
import { trainingFlopsPerToken } from '../../model/weights.ts';
import { type Played, play } from '../../schedule/play.ts';
import { isMessage, type Schedule } from '../../schedule/schedule.ts';
import { scheduleOf } from '../../schedule/schedules.ts';
import { type StepSettings, tokensPerStep } from '../../step/settings.ts';
import { rateOf } from '../hardware/number-format.ts';
import { actionsOf, type StageActions } from '../summary/actions.ts';
import { summariseStages } from '../summary/stage-summary.ts';
import type { StageSummary } from '../summary/summary.ts';
import { type CostModel, trainingCosts } from './costs.ts';
import { hostBytes } from './offload-memory.ts';
import { addSeconds, allSeconds, noSeconds } from './run-seconds.ts';
import {
  type Software,
  type StepTime,
  type TrainingMemory,
  type TrainingPrediction,
  type TrainingScenario,
  widthsOf,
} from './scenario.ts';
import { stageMemory } from './stage-memory.ts';
import { type StageTime, stageTime } from './stage-time.ts';

/** The step that the runtime would run. */
export const stepSettings = ({
  config,
  layout,
  seqLen,
  microBatch,
  microbatches,
  software,
  router,
}: TrainingScenario): StepSettings => ({
  config,
  layout,
  seqLen,
  microBatch,
  microbatches,
  precision: 'f32',
  ...(router ? { router } : {}),
  ...(software.loss === 'blocks' ? {} : { lossBlock: microBatch * seqLen }),
  // Devices make room for the rows of experts when they know how many come.
  ...(config.mixture && !software.plansMemory ? { expertRoom: 'even' as const } : {}),
});

export function predictTraining(scenario: TrainingScenario, model: CostModel): TrainingPrediction {
  const { config, layout, microbatches, cluster, formats, seqLen, software } = scenario;
  const settings = stepSettings(scenario);
  const schedule = scheduleOf(layout, microbatches);
  const summaries = summariseStages(settings, widthsOf(formats));
  const stages = timedStages(scenario, summaries, model);
  const { makespan } = playStages(schedule, stages, software);
  const unsent = stages.map((stage) => ({ ...stage, send: 0 }));
  const alone = layout.pp > 1 ? playStages(schedule, unsent, software).makespan : makespan;
  const after = (stage: StageTime) => stage.data.exposed + stage.optimizer;
  const slowest = stages.reduce((most, stage) => (after(stage) > after(most) ? stage : most));
  const stepSeconds = makespan + after(slowest);
  const actions = actionsOf(layout, microbatches);
  const memoryByStage = summaries.map((summary, stage) => stageMemory(summary, actions[stage]!, scenario));
  const tokens = tokensPerStep(settings);
  const devices = worldSize(layout);
  const modelFlops = (tokens * trainingFlopsPerToken(config, seqLen)) / devices / stepSeconds;
  const peak = cluster.device.flopsPerSecond[rateOf[formats.products]] ?? Number.NaN;
  return {
    stepSeconds,
    time: timeOf(stages, schedule.stages, { makespan, alone, slowest }),
    memory: fullest(memoryByStage),
    memoryByStage,
    ...(scenario.offload ? { host: hostUse(summaries, actions, scenario) } : {}),
    tokensPerSecondPerDevice: tokens / devices / stepSeconds,
    modelFlopsPerSecondPerDevice: modelFlops,
    mfu: modelFlops / peak,
  };
}

/** The schedule of a step on the clock: what of it comes before gradients that nothing hides and the optimizer. */
export function playTraining(scenario: TrainingScenario, model: CostModel): Played {
  const { layout, microbatches, formats, software } = scenario;
  const summaries = summariseStages(stepSettings(scenario), widthsOf(formats));
  return playStages(scheduleOf(layout, microbatches), timedStages(scenario, summaries, model), software);
}

/** Of every stage, by its summary. */
export function timedStages(
  scenario: TrainingScenario,
  summaries: readonly StageSummary[],
  model: CostModel,
): StageTime[] {
  const costs = trainingCosts(scenario, model);
  const timed = new Map([...new Set(summaries)].map((summary) => [summary, stageTime(summary, costs, scenario)]));
  return summaries.map((summary) => timed.get(summary)!);
}

function playStages(schedule: Schedule, stages: readonly StageTime[], { overlapsPipeline }: Software): Played {
  const sends = (stage: number) => stages[stage]!.send;
  return play(schedule, {
    workSeconds: (stage, work) => allSeconds(stages[stage]!.work(work)),
    ...(overlapsPipeline ? { transitSeconds: sends } : { sendSeconds: sends }),
  });
}

/** Of the stage that takes most. */
function hostUse(
  summaries: readonly StageSummary[],
  actions: readonly StageActions[],
  scenario: TrainingScenario,
): TrainingPrediction['host'] {
  const { host } = scenario.cluster;
  const taken = summaries.map((summary, stage) => hostBytes(summary, actions[stage]!, scenario));
  return { bytes: Math.max(...taken), room: host ? host.memoryBytes / host.devices : 0 };
}

const fullest = (stages: readonly TrainingMemory[]): TrainingMemory =>
  stages.reduce((most, stage) => (stage.total > most.total ? stage : most));

type Actions = ReturnType<typeof scheduleOf>['stages'];

/** Of the stage that works longest. `alone`: as long as the schedule takes where messages between stages take no time. */
function timeOf(
  stages: readonly StageTime[],
  actions: Actions,
  { makespan, alone, slowest }: { makespan: number; alone: number; slowest: StageTime },
): StepTime {
  const works = stages.map((stage, index) =>
    actions[index]!.reduce((sum, action) => (isMessage(action) ? sum : addSeconds(sum, stage.work(action))), noSeconds),
  );
  const work = works.reduce((most, each) => (allSeconds(each) > allSeconds(most) ? each : most));
  return {
    ...work,
    dp: work.dp + slowest.data.exposed,
    // What one stage waits for another's message, many may wait for: all that messages make longer.
    pp: makespan - alone,
    // All of it is work where there is one stage, but for the order of sums.
    bubble: Math.max(0, alone - allSeconds(work)),
    optimizer: slowest.optimizer,
  };
}
