// Cuts a program into pieces: maximal runs of compute between collectives (one ONNX graph each), host loops, and collectives.

import type { Node, Program, Value } from './program.ts';
import { type Op, writesOver } from './program.ts';

export type Piece =
  | {
      readonly kind: 'compute';
      readonly nodes: readonly Node[];
      /** What the run reads from outside, each value once. */
      readonly inputs: readonly Value[];
      /** What others read of it. */
      readonly outputs: readonly Value[];
      /** `over[i]`: the input that output i is written over. */
      readonly over: readonly (Value | undefined)[];
    }
  | {
      readonly kind: 'host' | 'blocks' | 'collective';
      readonly node: Node;
      readonly inputs: readonly Value[];
      readonly outputs: readonly Value[];
      readonly over: readonly (Value | undefined)[];
    };

export interface Pieces {
  readonly pieces: readonly Piece[];
  /** The value whose memory a value is: itself, unless it only re-types another. */
  readonly memoryOf: (value: Value) => Value;
}

export function segment(program: Program): Pieces {
  const memory = new Map<number, Value>();
  const memoryOf = (value: Value): Value => memory.get(value.id) ?? value;

  type Draft = { by: Op['execution']['by']; nodes: Node[] };
  const drafts: Draft[] = [];
  for (const node of program.nodes) {
    const { by } = node.op.execution;
    if (by === 'nobody') {
      memory.set(node.outputs[0]!.id, memoryOf(node.inputs[0]!));
      continue;
    }
    const last = drafts[drafts.length - 1];
    const resolved: Node = { ...node, inputs: node.inputs.map(memoryOf) };
    if (by === 'onnx' && last?.by === 'onnx') last.nodes.push(resolved);
    else drafts.push({ by, nodes: [resolved] });
  }

  // Walk backwards to know what is still read after each piece.
  const readLater = new Set(Object.values(program.outputs).map((value) => memoryOf(value).id));
  const pieces: Piece[] = [];
  for (const { by, nodes } of drafts.toReversed()) {
    if (by !== 'onnx') {
      const node = nodes[0]!;
      const kind = by === 'transport' ? 'collective' : by === 'blocks' ? by : 'host';
      const over = node.outputs.map((_, i) => writesOver(node, i));
      pieces.push({ kind, node, inputs: node.inputs, outputs: node.outputs, over });
      for (const input of node.inputs) readLater.add(input.id);
      continue;
    }
    const made = new Map<number, { readonly output: Value; readonly node: Node }>();
    for (const node of nodes) for (const output of node.outputs) made.set(output.id, { output, node });
    const read = new Map<number, Value>();
    for (const node of nodes) for (const input of node.inputs) if (!made.has(input.id)) read.set(input.id, input);
    const inputs = [...read.values()];
    const outputs = [...made.values()].flatMap(({ output }) => (readLater.has(output.id) ? [output] : []));
    if (outputs.length === 0) continue;
    // Sums added up within the piece are all written over the accumulator that came from outside.
    const overOf = (value: Value): Value | undefined => {
      const node = made.get(value.id)?.node;
      const over = node && writesOver(node, node.outputs.indexOf(value));
      return over && made.has(over.id) ? overOf(over) : over;
    };
    pieces.push({ kind: 'compute', nodes, inputs, outputs, over: outputs.map(overOf) });
    for (const input of inputs) readLater.add(input.id);
  }
  return { pieces: pieces.reverse(), memoryOf };
}
