// Lowers a compute piece to an ONNX graph, and names its structure so that pieces alike share one session.
import { buildGraph, type Precision } from './onnx-builder.ts';
import type { OnnxGraph, OnnxTensorInfo } from './onnx-graph.ts';
import type { Value } from './program.ts';
import type { Piece } from './segment.ts';

type ComputePiece = Extract<Piece, { kind: 'compute' }>;

export interface Lowered {
  /** Inputs are named i0, i1, .. and outputs o0, o1, .. in the piece's order. */
  readonly graph: OnnxGraph;
  /** Matrix-multiply FLOPs of one run, counted from the graph's own shapes. */
  readonly flops: number;
}

/** Equal for pieces that lower to the same graph, whatever weights they are run with. */
export function structureOf(piece: ComputePiece): string {
  const numbers = new Map<number, number>();
  const numberOf = (value: Value): number => {
    const known = numbers.get(value.id);
    if (known !== undefined) return known;
    numbers.set(value.id, numbers.size);
    return numbers.size - 1;
  };
  const inputs = piece.inputs.map((value) => [numberOf(value), value.shape, value.dtype]);
  const nodes = piece.nodes.map((node) => [
    node.op.name,
    node.attrs,
    node.inputs.map(numberOf),
    node.outputs.map(numberOf),
  ]);
  return JSON.stringify([inputs, nodes, piece.outputs.map(numberOf)]);
}

export function lower(piece: ComputePiece, precision: Precision): Lowered {
  const building = buildGraph(precision);
  const names = new Map(piece.inputs.map((value, index) => [value.id, `i${index}`]));
  const nameOf = (value: Value): string => names.get(value.id)!;
  for (const node of piece.nodes) {
    const { execution } = node.op;
    if (execution.by !== 'onnx') continue;
    const results = execution.lower(building.onnx, node.inputs.map(nameOf), node.attrs, node);
    for (const [index, output] of node.outputs.entries()) names.set(output.id, results[index]!);
  }
  const info = (value: Value, name: string): OnnxTensorInfo => ({
    name,
    shape: value.shape,
    type: value.dtype === 'int' ? 'int32' : value.dtype === 'float' && precision === 'f32' ? 'float32' : 'float64',
  });
  const graph = building.finish(
    piece.inputs.map((value, index) => info(value, `i${index}`)),
    piece.outputs.map((value, index) => ({ ...info(value, `o${index}`), from: nameOf(value) })),
  );
  return { graph, flops: building.flops() };
}
