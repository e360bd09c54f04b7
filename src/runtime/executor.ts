// Runs a rank's program: every instruction is prepared once (session, tensors, views), then played in order.
import type { Numbers } from '../program/op.ts';
import type { Value } from '../program/value.ts';
import type { Instruction, RankProgram } from '../step/step.ts';
import { sumSquares } from './kernels/local.ts';
import type { Floats } from './kernels/local-kernels.ts';
import { allocate, type RankMemory } from './memory.ts';
import { type CompiledSegment, compile, tensorOver } from './sessions.ts';
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
  readonly run: (update?: Update) => Promise<void>;
  readonly dispose: () => Promise<void>;
}

interface Context {
  readonly transport: Transport;
  readonly observe?: Observer;
}

/** Compiles and allocates; takes the time of compiling each different segment once. */
export async function createExecutor(program: RankProgram, context: Context): Promise<Executor> {
  const memory = allocate(program);
  const compiled: CompiledSegment[] = [];
  for (const segment of program.segments) {
    context.transport.heartbeat('compiling');
    compiled.push(await compile(segment, program.precision));
  }
  let flops = 0;
  let update: Update | undefined;
  const plays = program.instructions.map((instruction) =>
    prepare(instruction, {
      ...context,
      program,
      memory,
      compiled,
      count: (more) => {
        flops += more;
      },
      update: () => update,
    }),
  );
  const { transport, observe } = context;

  const run = async (withUpdate?: Update): Promise<void> => {
    update = withUpdate;
    for (const [index, play] of plays.entries()) {
      const instruction = program.instructions[index]!;
      transport.heartbeat(instruction.site);
      const start = observe ? performance.now() : 0;
      const pending = play();
      if (pending) await pending;
      if (observe) observe(instruction, performance.timeOrigin + start, performance.timeOrigin + performance.now());
    }
  };
  const dispose = async () => {
    for (const { session } of compiled) await session.release();
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

/** Returns a promise when the instruction runs in ONNX Runtime. */
type Play = () => Promise<unknown> | undefined;

/** A play that is over when it returns. */
const now =
  (act: () => void): Play =>
  () => {
    act();
    return undefined;
  };

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
      return now(() => execution.run(inputs, outputs, instruction.node.attrs, instruction.node));
    }
    case 'allReduce': {
      const [input, output] = [vector(instruction.input), vector(instruction.output)];
      return now(() => {
        if (input !== output) output.set(input);
        transport.allReduce(instruction.group, output, instruction.reduce, site);
      });
    }
    case 'allGather':
    case 'reduceScatter': {
      const { kind, group, cut } = instruction;
      const [input, output] = [vector(instruction.input), vector(instruction.output)];
      return now(() => transport[kind](group, input, output, cut, site));
    }
    case 'send':
      return now(() => transport.send(instruction.rank, vector(instruction.buffer), site));
    case 'recv':
      return now(() => transport.recv(instruction.rank, vector(instruction.buffer), site));
    case 'zero':
      return now(() => {
        for (const id of instruction.buffers) memory.of(id).fill(0);
      });
    case 'sumSquares':
      return now(() => {
        const sum = instruction.buffers.reduce((total, id) => total + sumSquares(memory.of(id) as Floats), 0);
        memory.of(instruction.output)[0] = sum;
      });
    case 'update':
      return now(() => context.update()?.(memory, memory.of(instruction.norm)));
  }
}

function prepareCompute(instruction: Extract<Instruction, { kind: 'compute' }>, context: Preparing): Play {
  const { session, flops } = context.compiled[instruction.segment]!;
  const { piece } = context.program.segments[instruction.segment]!;
  const named = (prefix: string, ids: readonly number[], values: readonly Value[]) =>
    Object.fromEntries(
      ids.map((id, index) => [`${prefix}${index}`, tensorOver(context.memory.of(id), values[index]!.shape)]),
    );
  const feeds = named('i', instruction.inputs, piece.inputs);
  const fetches = named('o', instruction.outputs, piece.outputs);
  return () => {
    context.count(flops);
    return session.run(feeds, fetches);
  };
}
