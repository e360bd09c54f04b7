// Makes a traced program ready to run on a rank, as often as wanted.
import { fail } from '../errors.ts';
import { rankAt, worldSize } from '../mesh/mesh.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { Numbers, Program, Trace } from '../program/program.ts';
import { checkSettings, oneOf } from '../settings.ts';
import { type TracedStep, tracedStep } from '../step/traced-step.ts';
import { createExecutor } from './executor.ts';
import { allocateMemory } from './memory.ts';
import type { Transport } from './transport/transport.ts';

export interface CompileOptions {
  readonly transport: Transport;
  /** Of all floats of the program; f32 when not given. */
  readonly precision?: Precision | undefined;
}

/** A program with memory of its own. Ints are Int32Arrays, floats of the precision, tensors row-major. */
export interface CompiledProgram {
  /** By name: to be filled before a run. They keep what they hold, but for those that the program accumulates into. */
  readonly inputs: Readonly<Record<string, Numbers>>;
  /** By name: what the last run made; the next one writes over it. */
  readonly outputs: Readonly<Record<string, Numbers>>;
  /** Runs it once. Every rank of the mesh must run its program: they meet in the collectives. */
  readonly run: () => void;
  /** Matrix-multiply FLOPs of all runs so far, as counted from what ran. */
  readonly flops: () => number;
  /** Frees the compiled sessions; a rank that ends does so by itself. */
  readonly dispose: () => void;
}

/**
 * Compiles what `finish` made, on the rank that it was traced for.
 * @throws OPTION_INVALID for a program of another rank or mesh, one that reads what it has written over, and a precision there is not
 */
export function compileProgram(program: Program, { transport, precision = 'f32' }: CompileOptions): CompiledProgram {
  checkSettings({ precision: oneOf('f32', 'f64') }, { precision });
  const step = tracedStep(program, traceOf(program, transport), precision);
  const memory = allocateMemory([step], (bytes) => transport.allocate(bytes));
  const executor = createExecutor(step, { transport, memory });
  const named = (buffers: TracedStep['inputs']): Record<string, Numbers> =>
    Object.fromEntries(Object.entries(buffers).map(([name, id]) => [name, executor.memory.of(id)]));
  return {
    inputs: named(step.inputs),
    outputs: named(step.outputs),
    run: executor.run,
    flops: executor.flops,
    dispose: executor.dispose,
  };
}

function traceOf({ inputs }: Program, { rank, size }: Transport): Trace {
  const refuse = (problem: string, fix: string): never => fail('OPTION_INVALID', { option: 'program', problem, fix });
  const [first] = Object.values(inputs);
  if (!first) return refuse('it has no inputs', 'name what it reads in the inputs of finish');
  const { trace } = first;
  if (worldSize(trace.mesh) !== size)
    refuse(`it is of a mesh of ${worldSize(trace.mesh)} ranks, and ${size} run`, 'trace it for the mesh that runs');
  const own = rankAt(trace.mesh, trace.coords);
  if (own !== rank)
    refuse(`it is that of rank ${own}, and this is rank ${rank}`, 'trace it with coordsOf(mesh, transport.rank)');
  return trace;
}
