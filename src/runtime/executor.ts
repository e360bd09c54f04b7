// Runs a rank's program: every instruction is prepared once (session, tensors, views), then played in order.
import type { Instruction, RankProgram } from '../step/step.ts';
import { type BlockPlayer, createBlockPlayer } from './blocks.ts';
import { type CollectiveCall, callOf } from './collective-calls.ts';
import { kernelOf } from './kernels/named.ts';
import { layOut, type ProgramMemory, type RankMemory } from './memory.ts';
import { type CompiledSegment, compile } from './segments.ts';
import type { Transport, Vector } from './transport/transport.ts';

/** What counters say that an instruction did, once it was played. */
export interface Counted {
  readonly flops: number;
  /** Sent. */
  readonly bytes: number;
}

/** Told about every instruction played, with its times on the process's clock in milliseconds. */
export type Observer = (
  instruction: Instruction,
  startMilliseconds: number,
  endMilliseconds: number,
  counted: Counted,
) => void;

export interface Executor {
  readonly memory: ProgramMemory;
  /** Matrix-multiply FLOPs executed so far, counted from the graphs that ran. */
  readonly flops: () => number;
  /** Plays the program once. */
  readonly run: () => void;
  /** Frees what is not the garbage collector's. */
  readonly dispose: () => void;
}

interface Context {
  readonly transport: Transport;
  /** What the program works on; other programs of the rank may too. */
  readonly memory: RankMemory;
  readonly observe?: Observer;
}

/** Compiles a program and lays it out in a rank's memory; takes the time of compiling each different segment once. */
export function createExecutor(program: RankProgram, context: Context): Executor {
  const memory = layOut(program, context.memory);
  const compiled: CompiledSegment[] = [];
  const blocks = createBlockPlayer(program.precision);
  const dispose = () => {
    for (const { session } of compiled) session.release();
    blocks.release();
  };
  let flops = 0;
  const count = (more: number): void => {
    flops += more;
  };
  let plays: readonly Play[];
  try {
    for (const segment of program.segments) {
      context.transport.heartbeat('compiling');
      compiled.push(compile(segment, program.precision));
    }
    const preparing: Preparing = { transport: context.transport, memory, compiled, blocks, count };
    plays = program.instructions.map((instruction) => prepare(instruction, preparing));
  } catch (error) {
    dispose();
    throw error;
  }
  const { transport, observe } = context;

  const run = (): void => {
    for (const [index, play] of plays.entries()) {
      const instruction = program.instructions[index]!;
      transport.heartbeat(instruction.site);
      if (!observe) {
        play();
        continue;
      }
      const before = { flops, bytes: bytesOf(instruction, transport) };
      const start = performance.timeOrigin + performance.now();
      play();
      const end = performance.timeOrigin + performance.now();
      const bytes = bytesOf(instruction, transport) - before.bytes;
      observe(instruction, start, end, { flops: flops - before.flops, bytes });
    }
  };
  return { memory, flops: () => flops, run, dispose };
}

/** Sent so far by calls like this one. */
function bytesOf(instruction: Instruction, { counters }: Transport): number {
  if (instruction.kind === 'collective') return counters[instruction.group.axis]?.[instruction.call]?.bytes ?? 0;
  return instruction.kind === 'send' ? (counters.pp?.send?.bytes ?? 0) : 0;
}

interface Preparing {
  readonly transport: Transport;
  readonly memory: ProgramMemory;
  readonly compiled: readonly CompiledSegment[];
  readonly blocks: BlockPlayer;
  readonly count: (flops: number) => void;
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
      const { op, attrs } = instruction.node;
      const run = op.execution.by === 'host' ? op.execution.run : kernelOf(op);
      const inputs = instruction.inputs.map(memory.of);
      const outputs = instruction.outputs.map(memory.of);
      return () => run(inputs, outputs, attrs, instruction.node);
    }
    case 'blocks': {
      transport.heartbeat('compiling');
      const play = context.blocks.prepare(instruction.node, {
        inputs: instruction.inputs.map(memory.of),
        outputs: instruction.outputs.map(memory.of),
        scratch: memory.of(instruction.scratch),
      });
      return () => context.count(play());
    }
    case 'collective': {
      const { group, how, input, output, counts } = instruction;
      const call = callOf[instruction.call];
      const numbers = (id: number) => memory.of(id) as Int32Array;
      const rows = counts && { counts: { sent: numbers(counts.sent), received: numbers(counts.received) } };
      const made: CollectiveCall = { group, how, site, input: vector(input), output: vector(output), ...rows };
      return () => call(transport, made);
    }
    case 'send':
      return () => transport.send(instruction.rank, vector(instruction.buffer), instruction.tag, site);
    case 'recv':
      return () => transport.recv(instruction.rank, vector(instruction.buffer), instruction.tag, site);
    case 'zero':
      return () => {
        for (const id of instruction.buffers) memory.of(id).fill(0);
      };
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
