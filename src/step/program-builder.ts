// Collects a rank's buffers, segments and instructions, then places the activations in the arena.
import { groupOf, type Mesh } from '../mesh/mesh.ts';
import { planMemory } from '../program/liveness.ts';
import { structureOf } from '../program/lower.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { elements, type Node, type Program, type Shape, type Value, writesOver } from '../program/program.ts';
import { type Pieces, segment } from '../program/segment.ts';
import type { TypedAxis } from '../program/types.ts';
import type { Buffer, BufferRole, ComputePiece, Instruction, Place, RankProgram, Segment } from './step.ts';

export interface ProgramBuilder {
  buffer(role: BufferRole, name: string, shape: Shape, dtype?: Buffer['dtype']): number;
  emit(instruction: Instruction): void;
  /** Emits a program's instructions with its inputs bound to buffers by name; `place.site` goes before the program's own sites. */
  run(pieces: ProgramPieces, inputs: Readonly<Record<string, number>>, place: Place): Ran;
  finish(): RankProgram;
}

/** A program cut into pieces once, run many times. */
export interface ProgramPieces extends Pieces {
  readonly program: Program;
  /** Made in the program and read by one piece only: that piece may write its result over it. */
  readonly readOnce: (value: Value) => boolean;
}

export function cutProgram(program: Program): ProgramPieces {
  const cut = segment(program);
  const readers = new Map<number, number>();
  const read = (value: Value) => readers.set(value.id, (readers.get(value.id) ?? 0) + 1);
  for (const piece of cut.pieces) for (const value of piece.inputs) read(value);
  for (const value of [...Object.values(program.inputs), ...Object.values(program.outputs)]) read(cut.memoryOf(value));
  return { ...cut, program, readOnce: (value) => readers.get(value.id) === 1 };
}

export interface Ran {
  readonly outputs: Readonly<Record<string, number>>;
  /** The buffer of a value of the program. */
  readonly bufferOf: (value: Value) => number;
}

const elementBytes = (dtype: Buffer['dtype'], precision: Precision) =>
  dtype === 'int' ? 4 : dtype === 'double' || precision === 'f64' ? 8 : 4;

export function startProgram(mesh: Mesh, rank: number, precision: Precision): ProgramBuilder {
  const buffers: Buffer[] = [];
  const instructions: Instruction[] = [];
  const segments: Segment[] = [];
  const segmentByStructure = new Map<string, number>();
  const segmentByPiece = new Map<ComputePiece, number>();

  const buffer: ProgramBuilder['buffer'] = (role, name, shape, dtype = 'float') => {
    const id = buffers.length;
    buffers.push({ id, role, name, shape, dtype, bytes: elements(shape) * elementBytes(dtype, precision) });
    return id;
  };

  const segmentOf = (piece: ComputePiece): number => {
    const known = segmentByPiece.get(piece);
    if (known !== undefined) return known;
    const structure = structureOf(piece);
    let index = segmentByStructure.get(structure);
    if (index === undefined) {
      index = segments.length;
      const flops = piece.nodes.reduce((sum, node) => sum + (node.op.flops?.(node.inputs, node.attrs) ?? 0), 0);
      segments.push({ piece, structure, flops });
      segmentByStructure.set(structure, index);
    }
    segmentByPiece.set(piece, index);
    return index;
  };

  const run: ProgramBuilder['run'] = ({ pieces, memoryOf, program, readOnce }, inputs, place) => {
    const { site } = place;
    const bound = new Map<number, number>();
    for (const [name, value] of Object.entries(program.inputs)) {
      const id = inputs[name];
      if (id !== undefined) bound.set(value.id, id);
    }
    const bufferOf = (value: Value): number => {
      const id = bound.get(memoryOf(value).id);
      if (id === undefined) throw new Error(`${site}: a value of shape [${value.shape}] is read before it is made`);
      return id;
    };
    const bind = (value: Value, over: Value | undefined, where: string): number => {
      const id = over ? bufferOf(over) : buffer('activation', where, value.shape, value.dtype);
      bound.set(value.id, id);
      return id;
    };
    const placed = (nodes: readonly Node[]): Place => {
      // All that a piece holds, in the order in which it is computed.
      const inner = [...new Set(nodes.map((node) => node.site))].filter((name) => name !== '').join(' + ');
      return { ...place, site: [site, inner].filter((name) => name !== '').join(' ') };
    };
    for (const piece of pieces) {
      if (piece.kind === 'compute') {
        const where = placed(piece.nodes);
        const ids = piece.inputs.map(bufferOf);
        const outputs = piece.outputs.map((value, index) => bind(value, piece.over[index], where.site));
        instructions.push({ kind: 'compute', segment: segmentOf(piece), inputs: ids, outputs, ...where });
        continue;
      }
      const { node } = piece;
      const where = placed([node]);
      const ids = piece.inputs.map(bufferOf);
      if (piece.kind === 'host') {
        const outputs = piece.outputs.map((value, index) =>
          bind(value, index === 0 ? writesOver(node) : undefined, where.site),
        );
        instructions.push({ kind: 'host', node, inputs: ids, outputs, ...where });
        continue;
      }
      const inPlace = node.op.name === 'allReduce' && readOnce(piece.inputs[0]!);
      const output = bind(piece.outputs[0]!, inPlace ? piece.inputs[0] : undefined, where.site);
      instructions.push(collective(node, ids[0]!, output, where));
    }
    const outputs = Object.fromEntries(Object.entries(program.outputs).map(([name, value]) => [name, bufferOf(value)]));
    return { outputs, bufferOf };
  };

  const collective = (node: Node, input: number, output: number, place: Place): Instruction => {
    const attrs = node.attrs as { axis: TypedAxis; dim?: number; reduce?: 'sum' | 'max' };
    const group = groupOf(mesh, rank, attrs.axis);
    if (node.op.name === 'allReduce')
      return { kind: 'allReduce', group, input, output, reduce: attrs.reduce!, ...place };
    const shard = node.op.name === 'allGather' ? node.inputs[0]! : node.outputs[0]!;
    const dim = attrs.dim!;
    const cut = { outer: elements(shard.shape.slice(0, dim)), inner: elements(shard.shape.slice(dim)) };
    return { kind: node.op.name === 'allGather' ? 'allGather' : 'reduceScatter', group, input, output, cut, ...place };
  };

  const finish = (): RankProgram => {
    const first = new Map<number, number>();
    const last = new Map<number, number>();
    for (const [index, instruction] of instructions.entries())
      for (const id of touched(instruction)) {
        if (!first.has(id)) first.set(id, index);
        last.set(id, index);
      }
    const activations = buffers.filter(({ role, id }) => role === 'activation' && first.has(id));
    const plan = planMemory(
      activations.map(({ id, bytes }) => ({ bytes, first: first.get(id)!, last: last.get(id)! })),
    );
    const offsets = new Map(activations.map(({ id }, index) => [id, plan.offsets[index]!]));
    const placed = buffers.map((each) =>
      each.role === 'activation' ? { ...each, offset: offsets.get(each.id) ?? 0 } : each,
    );
    return {
      rank,
      precision,
      buffers: placed,
      arenaBytes: plan.bytes,
      livePeakBytes: plan.peakBytes,
      segments,
      instructions,
    };
  };

  return { buffer, emit: (instruction) => void instructions.push(instruction), run, finish };
}

/** The buffers an instruction reads or writes. */
export function touched(instruction: Instruction): readonly number[] {
  switch (instruction.kind) {
    case 'compute':
    case 'host':
      return [...instruction.inputs, ...instruction.outputs];
    case 'allReduce':
    case 'allGather':
    case 'reduceScatter':
      return [instruction.input, instruction.output];
    case 'send':
    case 'recv':
      return [instruction.buffer];
    case 'zero':
      return instruction.buffers;
    case 'sumSquares':
      return [...instruction.buffers, instruction.output];
    case 'update':
      return [instruction.norm];
  }
}
