// Predicts a step of training on a cluster: the schedule is played with what its works cost, and what comes after it added.
import { worldSize } from '../../mesh/mesh.ts';
import { trainingFlopsPerToken } from '../../model/weights.ts';
import { type Played, play } from '../../schedule/play.ts';
import { isMessage, type Schedule } from '../../schedule/schedule.ts';
import { scheduleOf } from '../../schedule/schedules.ts';
import { once } from '../../step/once.ts';
import { type StepSettings, tokensPerStep } from '../../step/settings.ts';
import type { Device } from '../hardware/device.ts';
import { kindsOfStages, sumOfDevices } from '../hardware/kinds.ts';
import { rateOf } from '../hardware/number-format.ts';
import type { Software } from '../software/software.ts';
import { actionsOf, type StageActions } from '../summary/actions.ts';
import { summariseStages } from '../summary/stage-summary.ts';
import type { StageSummary } from '../summary/summary.ts';
import { type CostModel, trainingCosts } from './costs.ts';
import { usableBytes } from './fits.ts';
import { onKind, slowestOf } from './mixed.ts';
import { isOffloaded } from './offload.ts';
import { hostBytes } from './offload-memory.ts';
import { addSeconds, allSeconds, noSeconds } from './run-seconds.ts';
import {
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
}: Omit<TrainingScenario, 'cluster'>): StepSettings => ({
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
  const { stages, played } = playedStages(scenario, summaries, model);
  const { makespan } = played;
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
  const rate = (device: Device): number => device.flopsPerSecond[rateOf[formats.products]] ?? Number.NaN;
  const peak = sumOfDevices(cluster, rate) / cluster.devices;
  return {
    stepSeconds,
    time: timeOf(stages, schedule.stages, { makespan, alone, slowest }),
    memory: fullest(memoryByStage, kindsOfStages(cluster, layout)),
    memoryByStage,
    ...(scenario.offload && isOffloaded(scenario.offload) ? { host: hostUse(summaries, actions, scenario) } : {}),
    tokensPerSecondPerDevice: tokens / devices / stepSeconds,
    modelFlopsPerSecondPerDevice: modelFlops,
    mfu: modelFlops / peak,
  };
}

/** The schedule of a step on the clock: what of it comes before gradients that nothing hides and the optimizer. */
export function playTraining(scenario: TrainingScenario, model: CostModel): Played {
  const summaries = summariseStages(stepSettings(scenario), widthsOf(scenario.formats));
  return playedStages(scenario, summaries, model).played;
}

/** Where ranks were measured beside each other, they work at the pace of as many as the schedule leaves at work. */
function playedStages(scenario: TrainingScenario, summaries: readonly StageSummary[], model: CostModel) {
  const { layout, microbatches, cluster, software } = scenario;
  const schedule = scheduleOf(layout, microbatches);
  const playAt = (idle: number) => {
    const stages = timedStages(scenario, summaries, model, idle);
    return { stages, played: playStages(schedule, stages, software) };
  };
  const busy = playAt(0);
  return cluster.measured && layout.pp > 1 ? playAt(busy.played.bubbleFraction) : busy;
}

/** Of every stage, by its summary. `idle`: share of ranks that wait for work. */
export function timedStages(
  scenario: TrainingScenario,
  summaries: readonly StageSummary[],
  model: CostModel,
  idle = 0,
): StageTime[] {
  const on = once((device: Device) => {
    const alike = onKind(scenario, device);
    const costs = trainingCosts(alike, model, idle);
    return once((summary: StageSummary) => stageTime(summary, costs, alike));
  });
  const kinds = kindsOfStages(scenario.cluster, scenario.layout);
  return summaries.map((summary, stage) => slowestOf(kinds[stage]!.map((device) => on(device)(summary))));
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

/** Of the stage that its kind has least room for. */
function fullest(stages: readonly TrainingMemory[], kinds: readonly (readonly Device[])[]): TrainingMemory {
  const over = (stage: number): number => stages[stage]!.total - Math.min(...kinds[stage]!.map(usableBytes));
  return stages[stages.reduce((most, _, stage) => (over(stage) > over(most) ? stage : most), 0)]!;
}

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
