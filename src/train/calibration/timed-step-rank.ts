// The rank module that times a step of training, node by node.
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

export interface TimedStepJob {
  readonly settings: StepSettings;
  /** At most, besides what comes before the first step. */
  readonly seconds: number;
}

const leastSteps = 4;

export async function rank(transport: Transport, job: unknown): Promise<TimedKernel[]> {
  const { settings, seconds } = job as TimedStepJob;
  const { layout } = settings;
  const coords = coordsOf(layout, transport.rank % worldSize(layout));
  const plain = buildTrainingStep(settings, transport.rank % worldSize(layout));
  const step = nodeByNode(plain);
  const memory = allocateMemory([step], (bytes) => transport.allocate(bytes));
  const times: number[][] = step.instructions.map(() => []);
  let at = 0;
  const executor = createExecutor(step, {
    transport,
    memory,
    observe: (_, start, end) => void times[at++ % times.length]!.push((end - start) / 1000),
  });
  if (step.one !== undefined) executor.memory.of(step.one).fill(1);
  for (const { spec, ranges, numbers } of heldNumbers(step.state, 'parameter', memory.state, layout, coords))
    initialise(numbers, spec, ranges, 1);
  const sequence = sequencesOf(settings);
  const group = worldGroup(transport.size);
  // All agree on how many steps there are: each is as long as the slowest's.
  const gone = new Float64Array(1);
  for (let number = 1; number <= leastSteps || gone[0]! < seconds; number++) {
    fillStep(executor.memory.of, step, { settings, coords, step: number, sequence });
    writeOptimizer(executor.memory.of(step.optimizer), number, optimizerDefaults(1e-4, 100));
    const start = performance.now();
    executor.run();
    gone[0]! += (performance.now() - start) / 1000;
    if (transport.size > 1) transport.allReduce(group, gone, 'max', 'timed steps');
  }
  executor.dispose();
  return byKernel(step, times);
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

function byKernel(step: RankProgram, times: readonly (readonly number[])[]): TimedKernel[] {
  const found = new Map<string, { kernel: KernelShape; seconds: number[] }>();
  for (const [index, instruction] of step.instructions.entries()) {
    const kernel = kernelOfInstruction(instruction, step);
    if (!kernel) continue;
    const key = JSON.stringify(kernel);
    const same = found.get(key) ?? { kernel, seconds: [] };
    found.set(key, same);
    same.seconds.push(...times[index]!.slice(1));
  }
  return [...found.values()];
}

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
