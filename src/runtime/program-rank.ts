// The rank module of `runProgram`: compiles the program that it is sent, runs it once and returns its outputs.
import { coordsOf } from '../mesh/mesh.ts';
import { opTable } from '../ops/op-table.ts';
import { fromPortable } from '../program/portable.ts';
import type { Numbers } from '../program/program.ts';
import { startTrace } from '../program/trace.ts';
import { compileProgram } from './compile-program.ts';
import type { ProgramJob } from './run-program.ts';
import type { Transport } from './transport/transport.ts';

export async function rank(transport: Transport, job: unknown): Promise<Record<string, Numbers>> {
  const { mesh, program, inputs, precision } = job as ProgramJob;
  const trace = startTrace(mesh, coordsOf(mesh, transport.rank));
  const compiled = compileProgram(fromPortable(program, trace, opTable), { transport, precision });
  for (const [name, numbers] of Object.entries(inputs)) compiled.inputs[name]!.set(numbers);
  compiled.run();
  // Of their own: what they lie in is shared, or other programs'.
  return Object.fromEntries(Object.entries(compiled.outputs).map(([name, numbers]) => [name, numbers.slice()]));
}
