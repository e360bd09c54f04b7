// Runs a rank's program: every instruction is prepared once (session, tensors, views), then played in order.
import type { Numbers } from '../program/program.ts';
import type { Instruction, RankProgram } from '../step/step.ts';
import { sumSquares } from './kernels/local.ts';
import type { Floats } from './kernels/local-kernels.ts';
import { allocate, type RankMemory, type Shared } from './memory.ts';
import { type CompiledSegment, compile } from './segments.ts';
import type { Transport, Vector } from './transport/transport.ts';

/** What `update` does; the caller applies its optimizer. */
export type Update = (memory: RankMemory, norm: Numbers) => void;

/** Told about every instruction played, with its times on the process's clock in milliseconds. */
export type Observer = (instruction: Instruction, startMilliseconds: number, endMilliseconds: number) => void;

export interface Executor {
  readonly memory: RankMemory;
  /** Matrix-multiply FLOPs executed so far, counted from the graphs that ran. */
  readonly flops: () => number;
  /** Plays the program once. */
  readonly run: (update?: Update) => void;
  /** Frees what is not the garbage collector's. */
  readonly dispose: () => void;
}

interface Context {
  readonly transport: Transport;
  /** Memory of another program that this one uses too. */
  readonly shared?: Shared;
  readonly observe?: Observer;
}

/** Compiles and allocates; takes the time of compiling each different segment once. */
export function createExecutor(program: RankProgram, context: Context): Executor {
  const memory = allocate(program, context.shared);
  const compiled: CompiledSegment[] = [];
  const dispose = () => {
    for (const { session } of compiled) session.release();
  };
  let flops = 0;
  let update: Update | undefined;
  const count = (more: number): void => {
    flops += more;
  };
  let plays: readonly Play[];
  try {
    for (const segment of program.segments) {
      context.transport.heartbeat('compiling');
      compiled.push(compile(segment, program.precision));
    }
    const preparing = { ...context, program, memory, compiled, count, update: () => update };
    plays = program.instructions.map((instruction) => prepare(instruction, preparing));
  } catch (error) {
    dispose();
    throw error;
  }
  const { transport, observe } = context;

  const run = (withUpdate?: Update): void => {
    update = withUpdate;
    for (const [index, play] of plays.entries()) {
      const instruction = program.instructions[index]!;
      transport.heartbeat(instruction.site);
      const start = observe ? performance.now() : 0;
      play();
      if (observe) observe(instruction, performance.timeOrigin + start, performance.timeOrigin + performance.now());
    }
  };
  return { memory, flops: () => flops, run, dispose };
}

interface Preparing extends Context {
  readonly program: RankProgram;
  readonly memory: RankMemory;
  readonly compiled: readonly CompiledSegment[];
  readonly count: (flops: number) => void;
  readonly update: () => Update | undefined;
}

type Play = () => void;

function prepare(instruction: Instruction, context: Preparing): Play {
  const { transport, memory } = context;
  const { site } = instruction;
  const vector = (id: number) => memory.of(id) as Vector;
  switch (instruction.kind) {
    case 'compute':
      return prepareCompute(instruction, context);
    case 'host': {
      const { execution } = instruction.node.op;
      if (execution.by !== 'host') throw new Error(`${instruction.node.op.name} is not a host op`);
      const inputs = instruction.inputs.map(memory.of);
      const outputs = instruction.outputs.map(memory.of);
      return () => execution.run(inputs, outputs, instruction.node.attrs, instruction.node);
    }
    case 'allReduce': {
      const [input, output] = [vector(instruction.input), vector(instruction.output)];
      return () => {
        if (input !== output) output.set(input);
        transport.allReduce(instruction.group, output, instruction.reduce, site);
      };
    }
    case 'allGather':
    case 'reduceScatter': {
      const { kind, group, cut } = instruction;
      const [input, output] = [vector(instruction.input), vector(instruction.output)];
      return () => transport[kind](group, input, output, cut, site);
    }
    case 'send':
      return () => transport.send(instruction.rank, vector(instruction.buffer), site);
    case 'recv':
      return () => transport.recv(instruction.rank, vector(instruction.buffer), site);
    case 'zero':
      return () => {
        for (const id of instruction.buffers) memory.of(id).fill(0);
      };
    case 'sumSquares':
      return () => {
        const sum = instruction.buffers.reduce((total, id) => total + sumSquares(memory.of(id) as Floats), 0);
        memory.of(instruction.output)[0] = sum;
      };
    case 'update':
      return () => context.update()?.(memory, memory.of(instruction.norm));
  }
}

function prepareCompute(instruction: Extract<Instruction, { kind: 'compute' }>, context: Preparing): Play {
  const { session, flops } = context.compiled[instruction.segment]!;
  const { run } = session.bind(instruction.inputs.map(context.memory.of), instruction.outputs.map(context.memory.of));
  return () => {
    run();
    context.count(flops);
  };
}
