// Estimates how long a step takes, from its program and a few measured rates: work, talk, the pipeline's empty places, shared cores.
import { worldSize } from '../mesh/mesh.ts';
import { play } from '../schedule/play.ts';
import { isMessage, type Schedule, type Work } from '../schedule/schedule.ts';
import { scheduleOf } from '../schedule/schedules.ts';
import { alikeReplicas, microbatchesOn, type StepSettings } from '../step/settings.ts';
import { slowestAt } from '../step/speeds.ts';
import type { Instruction, RankProgram } from '../step/step.ts';
import { trainingPrograms } from '../step/training-step.ts';
import { flopsOf, sentBy } from './predict-step.ts';
import { stageRanks } from './stage-ranks.ts';

/** Of the machine, for a world of so many ranks. */
export interface StepRates {
  /** Of all that a rank computes, whose time is taken to be in proportion to its matrix FLOPs. */
  readonly secondsPerFlop: number;
  readonly secondsPerCall: number;
  readonly secondsPerByte: number;
  readonly cores: number;
}

/** Seconds of one rank of a stage. */
interface StageSeconds {
  /** What one microbatch takes in a chunk. */
  readonly work: (work: Pick<Work, 'kind' | 'chunk'>) => Cost;
  /** Tokens counted, gradients summed, norms taken and weights updated, before and after the microbatches; and its share of an outer step. */
  readonly once: Cost;
  readonly send: number;
}

interface Cost {
  readonly compute: number;
  readonly talk: number;
}

/**
 * Seconds of a step. The ranks of a replica's stage are taken to be as fast as the slowest of them, and nobody to wait but for the
 * pipeline, at the end for other replicas, and for a core: ranks that outnumber the cores share them, so all their work takes at least as
 * long as the cores need for it.
 */
export function estimateStep(settings: StepSettings, rates: StepRates): number {
  const { layout } = settings;
  const costs = stageRanks(layout).map((rank) => {
    const [step, outerStep] = trainingPrograms(shortened(settings), rank);
    return stageSeconds(step, rates, outerStep ? costAll(outerStep, rates, settings.outer!.every) : nothing);
  });
  const perStage = worldSize(layout) / layout.pp / layout.dp;
  const replicas = replicasAlike(settings).map(({ dp, replicas: count }) => {
    const stages = costs.map((each, pp) => atSpeed(each, slowestAt(settings, { dp, pp })));
    return {
      ranksPerStage: count * perStage,
      ...playReplica(scheduleOf(layout, microbatchesOn(settings, dp)), stages),
    };
  });
  const work = replicas.reduce((sum, { ranksPerStage, compute }) => sum + ranksPerStage * compute, 0);
  const talk = Math.max(...replicas.map((each) => each.talk));
  return Math.max(...replicas.map(({ seconds: own }) => own), work / rates.cores + talk);
}

/** Microbatches are alike, so a step of one stands for all; a schedule out of a file is for as many as it has. */
const shortened = (settings: StepSettings): StepSettings =>
  settings.layout.schedule === 'file' ? settings : { ...alikeReplicas(settings), microbatches: 1 };

/** Of replicas that are alike in work and speed, the first. */
function replicasAlike(settings: StepSettings): { readonly dp: number; readonly replicas: number }[] {
  const { dp: replicas, pp } = settings.layout;
  const found = new Map<string, { readonly dp: number; replicas: number }>();
  for (let dp = 0; dp < replicas; dp++) {
    const speeds = Array.from({ length: pp }, (_, stage) => slowestAt(settings, { dp, pp: stage }));
    const likeness = [microbatchesOn(settings, dp), ...speeds].join();
    const known = found.get(likeness) ?? { dp, replicas: 0 };
    known.replicas += 1;
    found.set(likeness, known);
  }
  return [...found.values()];
}

/** Seconds of a step of one replica; of one rank a stage, what all compute and the most that one talks. */
function playReplica(schedule: Schedule, stages: readonly StageSeconds[]): Cost & { readonly seconds: number } {
  const { makespan } = play(schedule, {
    workSeconds: (stage, work) => seconds(stages[stage]!.work(work)),
    sendSeconds: (from) => stages[from]!.send,
  });
  const whole = stages.map(({ work, once }, stage) =>
    addUp([...schedule.stages[stage]!.flatMap((action) => (isMessage(action) ? [] : [work(action)])), once]),
  );
  return {
    seconds: makespan + Math.max(...stages.map(({ once }) => seconds(once))),
    compute: whole.reduce((total, { compute }) => total + compute, 0),
    talk: Math.max(...whole.map(({ talk }) => talk)),
  };
}

const atSpeed = ({ work, once, send }: StageSeconds, speed: number): StageSeconds => {
  const slowed = ({ compute, talk }: Cost): Cost => ({ compute: compute / speed, talk });
  return { work: (each) => slowed(work(each)), once: slowed(once), send };
};

const seconds = ({ compute, talk }: Cost): number => compute + talk;

const nothing: Cost = { compute: 0, talk: 0 };
const addUp = (costs: readonly Cost[]): Cost =>
  costs.reduce((sum, { compute, talk }) => ({ compute: sum.compute + compute, talk: sum.talk + talk }), nothing);

/** Of all of a program, shared by so many steps. */
function costAll(program: RankProgram, rates: StepRates, steps: number): Cost {
  const { compute, talk } = addUp(program.instructions.map((each) => costOf(each, program, rates)));
  return { compute: compute / steps, talk: talk / steps };
}

/** Microbatches are alike, so the first of each chunk stands for all. */
function stageSeconds(program: RankProgram, rates: StepRates, outer: Cost): StageSeconds {
  const costs = new Map<string, Cost>();
  let send = 0;
  for (const instruction of program.instructions) {
    const { kind, phase, microbatch, chunk } = instruction;
    const cost = costOf(instruction, program, rates);
    if (kind === 'send') send = cost.talk;
    if (kind === 'send' || kind === 'recv' || (microbatch !== undefined && microbatch > 0)) continue;
    const key = microbatch === undefined ? 'once' : `${phase} ${chunk}`;
    costs.set(key, addUp([costs.get(key) ?? nothing, cost]));
  }
  return {
    work: ({ kind, chunk }) => costs.get(`${kind} ${chunk}`) ?? nothing,
    once: addUp([costs.get('once') ?? nothing, outer]),
    send,
  };
}

function costOf(instruction: Instruction, program: RankProgram, rates: StepRates): Cost {
  const sent = sentBy(instruction, program);
  return {
    compute: flopsOf(instruction, program) * rates.secondsPerFlop,
    talk: sent ? rates.secondsPerCall + sent.bytes * rates.secondsPerByte : 0,
  };
}
