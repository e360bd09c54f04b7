// The rank module that times steps of training, node by node: one step of each in turns, so that whatever else the machine does meets all alike.
import { heldNumbers } from '../../checkpoint/held-numbers.ts';
import { coordsOf, worldGroup, worldSize } from '../../mesh/mesh.ts';
import type { TimedKernel } from '../../plan/cost/measured/fit-measured.ts';
import { kernelOf } from '../../program/kernel-of.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import { createExecutor } from '../../runtime/executor.ts';
import { allocateMemory } from '../../runtime/memory.ts';
import type { Transport } from '../../runtime/transport/transport.ts';
import { fillStep, type TokenRow } from '../../step/fill-tokens.ts';
import { nodeByNode } from '../../step/node-by-node.ts';
import type { StepSettings } from '../../step/settings.ts';
import type { Instruction, RankProgram } from '../../step/step.ts';
import { buildTrainingStep } from '../../step/training-step.ts';
import { initialise } from '../initial.ts';
import { optimizerDefaults, writeOptimizer } from '../optimizer.ts';
import type { CalibrationCase } from './cases.ts';

export interface TimedStepsJob {
  /** Of a layout of one rank each rank takes the step by itself; those of a layout of several the first ones together. */
  readonly steps: readonly Pick<CalibrationCase, 'settings' | 'meetEvery' | 'inTurns'>[];
  /** Rounds go on until so many seconds have gone, besides what comes before the first. */
  readonly seconds: number;
}

/** Rounds at least: of the first no times are kept. */
const leastRounds = 4;

/** Progress: steps that are compiled, then the share of the rounds. */
export interface TimedStepsReport {
  readonly compiled: number;
  readonly share: number;
}

/** A step on one rank, or as it waited for others to take one. */
export interface TimedStep {
  /** What kernels took in each round, in the order in which they run; none where this rank takes no part. */
  readonly kernels: readonly TimedKernel[];
  /** Of each round, until all ranks are through. */
  readonly seconds: readonly number[];
}

/** By step. */
export async function rank(
  transport: Transport,
  job: unknown,
  report: (message: TimedStepsReport) => void,
): Promise<TimedStep[]> {
  const { steps, seconds } = job as TimedStepsJob;
  const group = worldGroup(transport.size);
  const meet = (): void => {
    if (transport.size > 1) transport.barrier(group, 'timed steps');
  };
  const opened = steps.map((step, compiled) => {
    report({ compiled, share: 0 });
    return openStep(step, transport, meet);
  });
  const whole: number[][] = steps.map(() => []);
  const start = performance.now();
  // All agree on how many rounds there are.
  const gone = new Float64Array(1);
  for (let round = 1; round <= leastRounds || gone[0]! < seconds; round++) {
    report({ compiled: steps.length, share: Math.min(1, gone[0]! / seconds) });
    for (const [at, step] of opened.entries()) {
      step?.fill(round);
      meet();
      const begin = performance.now();
      step?.run();
      meet();
      whole[at]!.push((performance.now() - begin) / 1000);
    }
    gone[0] = (performance.now() - start) / 1000;
    if (transport.size > 1) transport.allReduce(group, gone, 'max', 'timed steps');
  }
  for (const step of opened) step?.dispose();
  return opened.map((step, at) => ({ kernels: step?.timed() ?? [], seconds: whole[at]!.slice(1) }));
}

function openStep(step: TimedStepsJob['steps'][number], transport: Transport, meetOnce: () => void) {
  const { settings, meetEvery, inTurns } = step;
  const { layout } = settings;
  const ranks = worldSize(layout);
  if (ranks > 1 && transport.rank >= ranks) return undefined;
  const own = transport.rank % ranks;
  const coords = coordsOf(layout, own);
  const program = nodeByNode(buildTrainingStep(settings, own));
  const memory = allocateMemory([program], (bytes) => transport.allocate(bytes));
  const times: number[][] = program.instructions.map(() => []);
  const meet = (times: number): void => {
    for (let time = 0; time < times; time++) meetOnce();
  };
  /** Meetings until the next turn, and those before the first and after the last. */
  const turns = inTurns
    ? { next: transport.size, before: transport.rank, after: transport.size - 1 - transport.rank }
    : { next: 1, before: 0, after: 0 };
  let at = 0;
  const {
    memory: { of },
    run,
    dispose,
  } = createExecutor(program, {
    transport,
    memory,
    observe(_, start, end) {
      times[at]!.push((end - start) / 1000);
      at = (at + 1) % times.length;
      if (at > 0 && meetEvery !== undefined && at % meetEvery === 0) meet(turns.next);
    },
  });
  if (program.one !== undefined) of(program.one).fill(1);
  for (const { spec, ranges, numbers } of heldNumbers(program.state, 'parameter', memory.state, layout, coords))
    initialise(numbers, spec, ranges, 1);
  const sequence = sequencesOf(settings);
  return {
    fill(number: number): void {
      fillStep(of, program, { settings, coords, step: number, sequence });
      writeOptimizer(of(program.optimizer), number, optimizerDefaults(1e-4, 100));
    },
    run() {
      meet(turns.before);
      run();
      meet(turns.after);
    },
    timed: () =>
      program.instructions.flatMap((instruction, index): TimedKernel[] => {
        const kernel = kernelOfInstruction(instruction, program);
        return kernel ? [{ kernel, seconds: times[index]!.slice(1) }] : [];
      }),
    dispose,
  };
}

/** Texts of tokens that are different enough for routers. */
const sequencesOf =
  ({ seqLen, config }: StepSettings) =>
  (index: number): TokenRow => {
    const token = (at: number): number => Math.abs(Math.imul(at + 1, 0x9e3779b1) >> 7) % config.vocabSize;
    const from = index * seqLen;
    return {
      inputs: Int32Array.from({ length: seqLen }, (_, at) => token(from + at)),
      targets: Int32Array.from({ length: seqLen }, (_, at) => token(from + at + 1)),
    };
  };

function kernelOfInstruction(instruction: Instruction, { segments, buffers }: RankProgram): KernelShape | undefined {
  switch (instruction.kind) {
    case 'compute':
      return kernelOf(segments[instruction.segment]!.piece.nodes[0]!);
    case 'host':
    case 'blocks':
      return kernelOf(instruction.node);
    case 'zero':
      return {
        kind: 'memory',
        floats: 0,
        bytes: instruction.buffers.reduce((sum, id) => sum + buffers[id]!.bytes, 0),
        op: 'zero',
      };
    default:
      return undefined;
  }
}
