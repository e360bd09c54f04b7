// Runs lowered programs through ONNX Runtime: how tests see what an op really computes.
import { lower } from '../src/program/lower.ts';
import type { Precision } from '../src/program/onnx-builder.ts';
import type { NdArray, Numbers } from '../src/program/program.ts';
import { elements, type Program, type Value } from '../src/program/program.ts';
import { type Piece, segment } from '../src/program/segment.ts';
import { createBlockPlayer } from '../src/runtime/blocks.ts';
import { kernelOf } from '../src/runtime/kernels/named.ts';
import { createSession } from '../src/runtime/onnx/session.ts';

export type ComputePiece = Extract<Piece, { kind: 'compute' }>;

/** Memory for a value in a precision, full of what is no number: integers are int32. */
export function memoryFor({ shape, dtype }: Value, precision: Precision): Numbers {
  if (dtype === 'int') return new Int32Array(elements(shape)).fill(2 ** 31 - 1);
  const Floats = precision === 'f32' && dtype === 'float' ? Float32Array : Float64Array;
  return new Floats(elements(shape)).fill(Number.NaN);
}

const toNumbers = (value: Value, { data }: NdArray, precision: Precision): Numbers => {
  const numbers = memoryFor(value, precision);
  numbers.set(data);
  return numbers;
};

/** One run of a compute piece on memory in its inputs' order; an output that is written over an input is that input's memory. */
export function runPiece(
  piece: ComputePiece,
  precision: Precision,
  inputs: readonly Numbers[],
): { outputs: Numbers[]; flops: number } {
  const { graph, flops } = lower(piece, precision);
  const outputs = piece.outputs.map((value, index) => {
    const over = piece.over[index];
    return over ? inputs[piece.inputs.indexOf(over)]! : memoryFor(value, precision);
  });
  const session = createSession(graph, precision);
  try {
    session.bind(inputs, outputs).run();
  } finally {
    session.release();
  }
  return { outputs, flops };
}

export interface Ran {
  readonly outputs: Readonly<Record<string, NdArray>>;
  /** What `lower` counted, over all compute pieces. */
  readonly flops: number;
  /** The memory the run left each program input in. */
  readonly inputs: Readonly<Record<string, Numbers>>;
}

/** Runs a program of one rank: compute pieces by ONNX Runtime, host ops by their loops, kernels as the runtime does. */
export async function runProgram(
  program: Program,
  precision: Precision,
  inputs: Readonly<Record<string, NdArray>>,
): Promise<Ran> {
  const { pieces, memoryOf } = segment(program);
  const memory = new Map<number, Numbers>();
  for (const [name, value] of Object.entries(program.inputs))
    memory.set(value.id, toNumbers(value, inputs[name]!, precision));
  let flops = 0;
  for (const piece of pieces) {
    const given = piece.inputs.map((value) => memory.get(value.id)!);
    if (piece.kind === 'compute') {
      const ran = runPiece(piece, precision, given);
      flops += ran.flops;
      for (const [index, value] of piece.outputs.entries()) memory.set(value.id, ran.outputs[index]!);
      continue;
    }
    const { op, attrs } = piece.node;
    const outputs = piece.outputs.map((value, index) => {
      const over = piece.over[index];
      return over ? memory.get(over.id)! : memoryFor(value, precision);
    });
    if (op.execution.by === 'blocks') {
      const size = op.execution.scratchElements(attrs, piece.node);
      const scratch = precision === 'f32' ? new Float32Array(size) : new Float64Array(size);
      const player = createBlockPlayer(precision);
      try {
        flops += player.prepare(piece.node, { inputs: given, outputs, scratch })();
      } finally {
        player.release();
      }
      for (const [index, value] of piece.outputs.entries()) memory.set(value.id, outputs[index]!);
      continue;
    }
    if (op.execution.by !== 'host' && op.execution.by !== 'kernel') throw new Error(`one rank cannot run ${op.name}`);
    const run = op.execution.by === 'host' ? op.execution.run : kernelOf(op);
    run(given, outputs, attrs, piece.node);
    for (const [index, value] of piece.outputs.entries()) memory.set(value.id, outputs[index]!);
  }
  return {
    outputs: Object.fromEntries(
      Object.entries(program.outputs).map(([name, value]) => [
        name,
        { shape: value.shape, data: Float64Array.from(memory.get(memoryOf(value).id)!) },
      ]),
    ),
    flops,
    inputs: Object.fromEntries(
      Object.entries(program.inputs).map(([name, value]) => [name, memory.get(value.id)!] as const),
    ),
  };
}
