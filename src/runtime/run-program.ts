// Runs a typed program once on all ranks of a mesh: inputs by rank in, outputs by rank out.
import { fail, option } from '../errors.ts';
import { coordsOf, groupsOf, type Mesh, worldSize } from '../mesh/mesh.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { type PortableProgram, toPortable } from '../program/portable.ts';
import { elements, type Numbers, type Program, type Trace, type Value } from '../program/program.ts';
import { startTrace } from '../program/trace.ts';
import { checkSettings, oneOf } from '../settings.ts';
import { checkMesh, type RunOptions, startRanks } from './run-ranks.ts';

/** The numbers of tensors by name, row-major. */
export type Tensors = Readonly<Record<string, ArrayLike<number>>>;

export interface ProgramRun extends RunOptions {
  /** The grid of ranks; a layout is one. */
  readonly mesh: Mesh;
  /** Writes the program of the rank that the trace is of, and returns what `finish` makes of it. */
  readonly write: (trace: Trace) => Program;
  /** Of every rank: what its program reads, by name. */
  readonly inputs: readonly Tensors[];
  /** Of all floats; f32 when not given. */
  readonly precision?: Precision | undefined;
}

/** What a rank is told. */
export interface ProgramJob {
  readonly mesh: Mesh;
  readonly program: PortableProgram;
  readonly inputs: Tensors;
  readonly precision: Precision;
}

/**
 * The outputs of every rank by name, in its program's shapes. A program that runs again and again is compiled on its ranks instead:
 * see `compileProgram`.
 * @throws OPTION_INVALID for a mesh without ranks, inputs that are missing, unknown or of another length; what `write` throws; RANK_FAILED,
 * COLLECTIVE_TIMEOUT, COLLECTIVE_MISMATCH, RUN_ABORTED
 */
export async function runProgram({
  mesh,
  write,
  inputs,
  precision = 'f32',
  ...options
}: ProgramRun): Promise<Readonly<Record<string, Numbers>>[]> {
  checkMesh(mesh);
  checkSettings({ precision: oneOf('f32', 'f64') }, { precision });
  const size = worldSize(mesh);
  const refuse = (problem: string, fix: string): never =>
    fail('OPTION_INVALID', { option: option('inputs'), problem, fix });
  if (!Array.isArray(inputs)) refuse('they are no list', 'give a list, the inputs of each rank');
  if (inputs.length !== size)
    refuse(`they are of ${inputs.length} ranks and the mesh has ${size}`, 'give those of each rank');
  const jobs = inputs.map((given, rank): ProgramJob => {
    const program = write(startTrace(mesh, coordsOf(mesh, rank)));
    for (const name of Object.keys(given))
      if (!Object.hasOwn(program.inputs, name))
        refuse(`the program of rank ${rank} has no input ${name}`, `give ${Object.keys(program.inputs).join(', ')}`);
    for (const [name, value] of Object.entries(program.inputs)) {
      const problem = problemOf(given[name], value);
      if (problem)
        refuse(
          `${name} of rank ${rank} ${problem}`,
          `give [${value.shape}] ${value.dtype === 'int' ? 'integers' : 'numbers'}`,
        );
    }
    return { mesh, program: toPortable(program), inputs: given, precision };
  });
  const module = new URL(import.meta.url.endsWith('.ts') ? './program-rank.ts' : './program-rank.js', import.meta.url);
  return (await startRanks(module.href, jobs, { ...options, groups: groupsOf(mesh), channels: [] })) as Record<
    string,
    Numbers
  >[];
}

function problemOf(numbers: ArrayLike<number> | undefined, { shape, dtype }: Value): string | undefined {
  if (numbers === undefined) return 'is missing';
  if (numbers.length !== elements(shape)) return `has ${numbers.length} numbers`;
  const isInt32 = (value: number): boolean => (value | 0) === value;
  if (dtype === 'int' && !Array.prototype.every.call(numbers, isInt32)) return 'is not of integers of 32 bits';
  return undefined;
}
