// The program of a rank made from one traced program: its inputs in memory of their own, its outputs kept until it runs again.
import { fail } from '../errors.ts';
import { rankAt } from '../mesh/mesh.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { type Program, type Trace, type Value, writesOver } from '../program/program.ts';
import { segment } from '../program/segment.ts';
import type { RankState } from '../state/vectors.ts';
import { type Bindings, cutProgram } from './cut-program.ts';
import { startProgram } from './program-builder.ts';
import type { RankProgram } from './step.ts';

export interface TracedStep extends RankProgram {
  /** Buffers by the names of the program's inputs; filled before a run. */
  readonly inputs: Bindings;
  /** Buffers by the names of its outputs; they hold until the next run. */
  readonly outputs: Bindings;
}

const noState: RankState = {
  buckets: [],
  vectors: [],
  index: () => -1,
  find: ({ name }) => {
    throw new Error(`a traced program has no parameter ${name}`);
  },
};

/** @throws OPTION_INVALID for a program that reads what it has written over */
export function tracedStep(
  program: Program,
  { mesh, coords }: Pick<Trace, 'mesh' | 'coords'>,
  precision: Precision,
): TracedStep {
  checkOverwritten(program);
  const builder = startProgram(mesh, rankAt(mesh, coords), precision, noState);
  const buffers = new Map<number, number>();
  const own = (name: string, { id, shape, dtype }: Value): number => {
    const buffer = buffers.get(id) ?? builder.own(name, shape, dtype);
    buffers.set(id, buffer);
    return buffer;
  };
  const inputs = Object.fromEntries(Object.entries(program.inputs).map(([name, value]) => [name, own(name, value)]));
  const outputs = builder.run(cutProgram(program), [inputs], { site: '' });
  Object.values(outputs).forEach(builder.keep);
  return { ...builder.finish(), inputs, outputs };
}

/** What is added to in place must be read by nothing else: it may be gone when that runs. */
function checkOverwritten(program: Program): void {
  const { memoryOf } = segment(program);
  const readers = new Map<number, number>();
  const read = (value: Value): void => {
    const { id } = memoryOf(value);
    readers.set(id, (readers.get(id) ?? 0) + 1);
  };
  for (const { op, inputs } of program.nodes) if (op.execution.by !== 'nobody') inputs.forEach(read);
  Object.values(program.outputs).forEach(read);
  for (const node of program.nodes)
    for (const index of node.outputs.keys()) {
      const over = writesOver(node, index);
      if (over && readers.get(memoryOf(over).id)! > 1)
        fail('OPTION_INVALID', {
          option: 'program',
          problem: `${node.op.name}${node.site ? ` at ${node.site}` : ''} writes over a value [${over.shape}] that is read elsewhere too`,
          fix: 'use add in place of accumulate',
        });
    }
}
