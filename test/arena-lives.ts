// What a program's instructions do with its arena, found from their reads and writes alone: what the planning of memory is held against.
import { alignment } from '../src/program/lives.ts';
import type { Instruction, RankProgram } from '../src/step/step.ts';

/** What an instruction reads, and what it writes. */
export function accesses(instruction: Instruction): { reads: readonly number[]; writes: readonly number[] } {
  switch (instruction.kind) {
    case 'compute':
    case 'host':
      return { reads: instruction.inputs, writes: instruction.outputs };
    case 'blocks':
      return { reads: instruction.inputs, writes: [...instruction.outputs, instruction.scratch] };
    case 'collective': {
      const { input, output, counts } = instruction;
      return { reads: [input, ...(counts ? [counts.sent, counts.received] : [])], writes: [output] };
    }
    case 'send':
      return { reads: [instruction.buffer], writes: [] };
    case 'recv':
      return { reads: [], writes: [instruction.buffer] };
    case 'zero':
      return { reads: [], writes: instruction.buffers };
  }
}

/** The most bytes at once that are written, or are still to be read, in whole cache lines. */
export function mostAlive({ buffers, instructions }: RankProgram): number {
  const rootOf = (id: number): number | undefined => {
    const { in: where } = buffers[id]!;
    return where !== 'own' && 'arena' in where ? where.root : undefined;
  };
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  for (const [at, instruction] of instructions.entries()) {
    const { reads, writes } = accesses(instruction);
    for (const id of [...reads, ...writes]) {
      const root = rootOf(id);
      if (root === undefined) continue;
      if (!first.has(root)) first.set(root, at);
      last.set(root, at);
    }
  }
  const sizeOf = (root: number) => Math.ceil(buffers[root]!.bytes / alignment) * alignment;
  const changes = new Float64Array(instructions.length + 1);
  for (const [root, at] of first) {
    changes[at]! += sizeOf(root);
    changes[last.get(root)! + 1]! -= sizeOf(root);
  }
  let [alive, most] = [0, 0];
  for (const change of changes) {
    alive += change;
    most = Math.max(most, alive);
  }
  return most;
}
