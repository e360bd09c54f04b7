// Estimates how long a step takes, from its program and a few measured rates: work, talk, the pipeline's empty places, shared cores.
import { type Coords, coordsOf, rankAt, worldSize } from '../mesh/mesh.ts';
import { play } from '../schedule/play.ts';
import { schedules } from '../schedule/schedules.ts';
import type { StepSettings } from '../step/settings.ts';
import type { Instruction, RankProgram } from '../step/step.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { sentBy } from './predict-step.ts';

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
  readonly forward: Cost;
  readonly backward: Cost;
  /** Gradients summed and norms taken, after the microbatches. */
  readonly finish: Cost;
  readonly send: number;
}

interface Cost {
  readonly compute: number;
  readonly talk: number;
}

/**
 * Seconds of a step. Ranks of a stage are taken to be alike, and nobody to wait but for the pipeline and for a core: ranks that
 * outnumber the cores share them, so all their work takes at least as long as the cores need for it.
 */
export function estimateStep(settings: StepSettings, rates: StepRates): number {
  const { layout, microbatches } = settings;
  const first: Coords = coordsOf(layout, 0);
  const stages = Array.from({ length: layout.pp }, (_, pp) =>
    stageSeconds(buildTrainingStep(settings, rankAt(layout, { ...first, pp })), rates),
  );
  const { makespan } = play(schedules[layout.schedule](layout.pp, microbatches), {
    forwardSeconds: (stage) => sum(stages[stage]!.forward),
    backwardSeconds: (stage) => sum(stages[stage]!.backward),
    sendSeconds: (from) => stages[from]!.send,
  });
  const own = makespan + Math.max(...stages.map(({ finish }) => sum(finish)));
  const whole = stages.map(({ forward, backward, finish }) => ({
    compute: microbatches * (forward.compute + backward.compute) + finish.compute,
    talk: microbatches * (forward.talk + backward.talk) + finish.talk,
  }));
  const work = whole.reduce((total, { compute }) => total + compute, 0) * (worldSize(layout) / layout.pp);
  return Math.max(own, work / rates.cores + Math.max(...whole.map(({ talk }) => talk)));
}

const sum = ({ compute, talk }: Cost): number => compute + talk;

/** Microbatches are alike, so the first stands for all. */
function stageSeconds(program: RankProgram, rates: StepRates): StageSeconds {
  const costs = (belongs: (instruction: Instruction) => boolean): Cost => {
    const instructions = program.instructions.filter((each) => belongs(each) && !isMessage(each));
    return {
      compute: instructions.reduce((total, each) => total + computeSeconds(each, program, rates), 0),
      talk: instructions.reduce((total, each) => total + talkSeconds(each, program, rates), 0),
    };
  };
  const message = program.instructions.find(({ kind }) => kind === 'send');
  return {
    forward: costs(({ phase, microbatch }) => phase === 'forward' && microbatch === 0),
    backward: costs(({ phase, microbatch }) => phase === 'backward' && microbatch === 0),
    finish: costs(({ phase }) => phase === 'finish'),
    send: message ? talkSeconds(message, program, rates) : 0,
  };
}

const isMessage = ({ kind }: Instruction): boolean => kind === 'send' || kind === 'recv';

const computeSeconds = (instruction: Instruction, { segments }: RankProgram, { secondsPerFlop }: StepRates): number =>
  instruction.kind === 'compute' ? segments[instruction.segment]!.flops * secondsPerFlop : 0;

function talkSeconds(instruction: Instruction, program: RankProgram, rates: StepRates): number {
  const sent = sentBy(instruction, program);
  return sent ? rates.secondsPerCall + sent.bytes * rates.secondsPerByte : 0;
}
