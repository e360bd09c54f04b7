// The same program with every node of its segments an instruction of its own, so that each can be timed. It computes the same numbers.

import { alignment } from '../program/lives.ts';
import { structureOf } from '../program/lower.ts';
import { elementBytes, elements, type Node, type Value, writesOver } from '../program/program.ts';
import { once } from './once.ts';
import type { Buffer, ComputePiece, Instruction, RankProgram, Segment } from './step.ts';

/** What a segment makes for itself lies behind the arena, where the segments take turns. */
export function nodeByNode<P extends RankProgram>(program: P): P {
  const buffers: Buffer[] = [...program.buffers];
  const segments: Segment[] = [];
  let within = 0;

  const segmentOf = once((node: Node): number => {
    const over = node.outputs.map((_, i) => writesOver(node, i));
    const piece: ComputePiece = {
      kind: 'compute',
      nodes: [node],
      inputs: unique(node.inputs),
      outputs: node.outputs,
      over,
    };
    const flops = node.op.flops?.(node.inputs, node.attrs) ?? 0;
    return segments.push({ piece, structure: structureOf(piece), flops }) - 1;
  });

  /** The nodes of a segment, each with what it reads and writes. */
  function* cut(segment: number, inputs: readonly number[], outputs: readonly number[], site: string) {
    const { piece } = program.segments[segment]!;
    const bound = new Map<number, number>();
    for (const [index, { id }] of piece.inputs.entries()) bound.set(id, inputs[index]!);
    for (const [index, { id }] of piece.outputs.entries()) bound.set(id, outputs[index]!);
    let used = 0;
    const made = ({ shape, dtype }: Value): number => {
      const bytes = elements(shape) * elementBytes(dtype, program.precision);
      const id = buffers.length;
      buffers.push({ id, name: site, shape, dtype, bytes, in: { arena: program.arenaBytes + used, root: id } });
      used += Math.ceil(bytes / alignment) * alignment;
      within = Math.max(within, used);
      return id;
    };
    for (const node of piece.nodes) {
      const read = unique(node.inputs).map(({ id }) => bound.get(id)!);
      const written = node.outputs.map((value, index) => {
        const over = writesOver(node, index);
        const id = over ? bound.get(over.id)! : (bound.get(value.id) ?? made(value));
        bound.set(value.id, id);
        return id;
      });
      yield { segment: segmentOf(node), inputs: read, outputs: written };
    }
  }

  const instructions = program.instructions.flatMap((instruction): Instruction[] =>
    instruction.kind === 'compute'
      ? [...cut(instruction.segment, instruction.inputs, instruction.outputs, instruction.site)].map((own) => ({
          ...instruction,
          ...own,
        }))
      : [instruction],
  );
  return { ...program, buffers, segments, instructions, arenaBytes: program.arenaBytes + within };
}

const unique = (values: readonly Value[]): Value[] => [...new Map(values.map((value) => [value.id, value])).values()];
