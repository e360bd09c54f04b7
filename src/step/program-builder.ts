// Collects a rank's buffers, segments and instructions, then places the activations in the arena.
import { groupOf, type Mesh } from '../mesh/mesh.ts';
import { endsGroup } from '../model/stages.ts';
import { planMemory } from '../program/liveness.ts';
import { structureOf } from '../program/lower.ts';
import type { Precision } from '../program/onnx-builder.ts';
import {
  type Dtype,
  elementBytes,
  elements,
  type Node,
  type Program,
  type Shape,
  type Value,
} from '../program/program.ts';
import { type Piece, type Pieces, segment } from '../program/segment.ts';
import type { RankState } from '../state/vectors.ts';
import type { Buffer, ComputePiece, Instruction, Place, RankProgram, Segment } from './step.ts';

export interface ProgramBuilder {
  /** Memory of its own, outside the arena. */
  own(name: string, shape: Shape, dtype?: Dtype): number;
  /** Memory in the arena, from the first instruction that touches it to the last. */
  activation(name: string, shape: Shape, dtype?: Dtype): number;
  /** A part of another buffer, from this element on. */
  view(of: number, start: number, shape: Shape): number;
  /** A part of a vector of the state. */
  state(vector: number, start: number, shape: Shape): number;
  emit(instruction: Instruction): void;
  /** What is in this activation after the program has run is still read. */
  keep(id: number): void;
  /**
   * Emits a program's instructions with its inputs bound to buffers by name, and outputs too where `into` names one; `place.site`
   * goes before the program's own sites. Returns the outputs' buffers.
   */
  run(cut: CutProgram, inputs: Bindings, place: Place, into?: Bindings): Bindings;
  finish(): RankProgram;
}

/** Buffers by the names of a program's inputs or outputs. */
export type Bindings = Readonly<Record<string, number>>;

/** A program cut into pieces once, run many times. */
export interface CutProgram extends Pieces {
  readonly program: Program;
  /** Made in the program and read by one piece only: that piece may write its result over it. */
  readonly readOnce: (value: Value) => boolean;
}

export function cutProgram(program: Program): CutProgram {
  const cut = segment(program);
  const readers = new Map<number, number>();
  const read = (value: Value) => readers.set(value.id, (readers.get(value.id) ?? 0) + 1);
  for (const piece of cut.pieces) for (const value of piece.inputs) read(value);
  for (const value of [...Object.values(program.inputs), ...Object.values(program.outputs)]) read(cut.memoryOf(value));
  return { ...cut, program, readOnce: (value) => readers.get(value.id) === 1 };
}

/** A buffer while its place in the arena is not known: it lies `start` bytes into the buffer `of`. */
type Draft = Omit<Buffer, 'in'> & { readonly in: Buffer['in'] | { readonly of: number; readonly start: number } };

export function startProgram(mesh: Mesh, rank: number, precision: Precision, state: RankState): ProgramBuilder {
  const buffers: Draft[] = [];
  const instructions: Instruction[] = [];
  const kept: number[] = [];
  const segments = segmentTable();

  const add = (name: string, shape: Shape, dtype: Dtype, where: Draft['in']): number => {
    const id = buffers.length;
    buffers.push({ id, name, shape, dtype, bytes: elements(shape) * elementBytes(dtype, precision), in: where });
    return id;
  };
  const builder: ProgramBuilder = {
    own: (name, shape, dtype = 'float') => add(name, shape, dtype, 'own'),
    activation: (name, shape, dtype = 'float') => add(name, shape, dtype, { of: buffers.length, start: 0 }),
    view(of, start, shape) {
      const { name, dtype, in: where } = buffers[of]!;
      const bytes = start * elementBytes(dtype, precision);
      if (where === 'own') return add(name, shape, dtype, { of, start: bytes });
      if ('vector' in where) return add(name, shape, dtype, { vector: where.vector, start: where.start + bytes });
      if ('of' in where) return add(name, shape, dtype, { of: where.of, start: where.start + bytes });
      throw new Error(`${name} is placed already`);
    },
    state: (vector, start, shape) =>
      add(state.vectors[vector]!.bucket.name, shape, 'float', {
        vector,
        start: start * elementBytes('float', precision),
      }),
    emit: (instruction) => void instructions.push(instruction),
    keep: (id) => void kept.push(id),
    run: (cut, inputs, place, into = {}) => runPieces(cut, inputs, place, into),
    finish() {
      const { placed, ...plan } = placeBuffers(buffers, instructions, kept);
      return { rank, precision, state: state.vectors, buffers: placed, ...plan, segments: segments.all, instructions };
    },
  };

  const runPieces = (cut: CutProgram, inputs: Bindings, place: Place, into: Bindings): Bindings => {
    const { pieces, memoryOf, program, readOnce } = cut;
    const bound = new Map<number, number>();
    for (const [name, value] of Object.entries(program.inputs)) {
      const id = inputs[name];
      if (id !== undefined) bound.set(value.id, id);
    }
    const wanted = new Map<number, number>();
    for (const [name, id] of Object.entries(into)) {
      const { id: value } = memoryOf(program.outputs[name]!);
      if (wanted.has(value)) throw new Error(`${place.site}: ${name} is wanted in two places`);
      wanted.set(value, id);
    }
    // What is summed where it lies must be made there.
    for (const piece of pieces.toReversed())
      if (isInPlace(piece, readOnce) && wanted.has(piece.outputs[0]!.id))
        wanted.set(piece.inputs[0]!.id, wanted.get(piece.outputs[0]!.id)!);
    const bufferOf = (value: Value): number => {
      const id = bound.get(memoryOf(value).id);
      if (id === undefined)
        throw new Error(`${place.site}: a value of shape [${value.shape}] is read before it is made`);
      return id;
    };
    const bind = (value: Value, over: Value | undefined, site: string): number => {
      const id = over ? bufferOf(over) : (wanted.get(value.id) ?? builder.activation(site, value.shape, value.dtype));
      bound.set(value.id, id);
      return id;
    };
    for (const piece of pieces) {
      const where = { ...place, site: siteOf(place.site, piece) };
      const ids = piece.inputs.map(bufferOf);
      const over = isInPlace(piece, readOnce) ? [piece.inputs[0]] : piece.over;
      const outputs = piece.outputs.map((value, index) => bind(value, over[index], where.site));
      if (piece.kind === 'compute')
        instructions.push({ kind: 'compute', segment: segments.of(piece), inputs: ids, outputs, ...where });
      else if (piece.kind === 'host')
        instructions.push({ kind: 'host', node: piece.node, inputs: ids, outputs, ...where });
      else if (piece.kind === 'blocks') {
        const { flops, scratchElements } = blocksOf(piece.node);
        const scratch = builder.activation(`${where.site} scratch`, [scratchElements]);
        instructions.push({ kind: 'blocks', node: piece.node, inputs: ids, outputs, scratch, flops, ...where });
      } else instructions.push(collective(piece.node, ids[0]!, outputs[0]!, where));
    }
    for (const [name, id] of Object.entries(into))
      if (bufferOf(program.outputs[name]!) !== id)
        throw new Error(`${place.site}: ${name} is not made where it is wanted`);
    return Object.fromEntries(Object.entries(program.outputs).map(([name, value]) => [name, bufferOf(value)]));
  };

  const calls = new Map<Node, Call>();
  const collective = (node: Node, input: number, output: number, place: Place): Instruction => {
    const call = calls.get(node) ?? callOf(node, mesh, rank);
    calls.set(node, call);
    return { kind: 'collective', ...call, input, output, ...place };
  };
  return builder;
}

type Call = Pick<Extract<Instruction, { kind: 'collective' }>, 'call' | 'group' | 'how'>;

/** What a collective is on this rank, wherever its operand lies. */
function callOf(node: Node, mesh: Mesh, rank: number): Call {
  const { execution } = node.op;
  if (execution.by !== 'transport') throw new Error(`${node.op.name} is no collective`);
  const { axes, ends } = node.attrs as { axes: Parameters<typeof groupOf>[2]; ends?: boolean };
  const group = ends ? endsGroup(mesh, rank) : groupOf(mesh, rank, axes);
  return { call: execution.call, group, how: execution.how(node.attrs, node) };
}

/** A sum is taken where its operand lies, if nothing else reads that. */
function isInPlace(piece: Piece, readOnce: (value: Value) => boolean): boolean {
  if (piece.kind !== 'collective') return false;
  const { execution } = piece.node.op;
  return execution.by === 'transport' && execution.call === 'allReduce' && readOnce(piece.inputs[0]!);
}

/** What is known of nodes that run by blocks: microbatches and layers share them. */
const knownBlocks = new WeakMap<Node, { readonly flops: number; readonly scratchElements: number }>();

function blocksOf(node: Node) {
  const { execution, flops } = node.op;
  if (execution.by !== 'blocks') throw new Error(`${node.op.name} does not run by blocks`);
  const known = knownBlocks.get(node) ?? {
    flops: flops?.(node.inputs, node.attrs) ?? 0,
    scratchElements: execution.scratch(node.attrs, node).elements,
  };
  knownBlocks.set(node, known);
  return known;
}

const innerSites = new WeakMap<Piece, string>();

/** All that a piece holds, in the order in which it is computed, behind the place where it is run. */
function siteOf(site: string, piece: Piece): string {
  let inner = innerSites.get(piece);
  if (inner === undefined) {
    const nodes = piece.kind === 'compute' ? piece.nodes : [piece.node];
    inner = [...new Set(nodes.map((node) => node.site))].filter((name) => name !== '').join(' + ');
    innerSites.set(piece, inner);
  }
  return inner === '' ? site : site === '' ? inner : `${site} ${inner}`;
}

/** The different segments of a program: pieces of the same structure are one. */
function segmentTable() {
  const all: Segment[] = [];
  const byStructure = new Map<string, number>();
  const byPiece = new Map<ComputePiece, number>();
  return {
    all,
    of(piece: ComputePiece): number {
      const known = byPiece.get(piece);
      if (known !== undefined) return known;
      const structure = structureOf(piece);
      let index = byStructure.get(structure);
      if (index === undefined) {
        index = all.length;
        const flops = piece.nodes.reduce((sum, node) => sum + (node.op.flops?.(node.inputs, node.attrs) ?? 0), 0);
        all.push({ piece, structure, flops });
        byStructure.set(structure, index);
      }
      byPiece.set(piece, index);
      return index;
    },
  };
}

/** Gives every activation its place in the arena, and views theirs inside. */
function placeBuffers(buffers: readonly Draft[], instructions: readonly Instruction[], kept: readonly number[]) {
  const rootOf = (id: number): number => {
    const where = buffers[id]!.in;
    return where !== 'own' && 'of' in where ? where.of : id;
  };
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  for (const [index, instruction] of instructions.entries())
    for (const id of touched(instruction)) {
      const root = rootOf(id);
      if (!first.has(root)) first.set(root, index);
      last.set(root, index);
    }
  for (const id of kept) last.set(rootOf(id), instructions.length);
  const roots = buffers.filter(
    ({ id, in: where }) => where !== 'own' && 'of' in where && where.of === id && first.has(id),
  );
  const plan = planMemory(roots.map(({ id, bytes }) => ({ bytes, first: first.get(id)!, last: last.get(id)! })));
  const offsets = new Map(roots.map(({ id }, index) => [id, plan.offsets[index]!]));
  const placed = buffers.map((buffer): Buffer => {
    const { in: where } = buffer;
    if (where === 'own' || !('of' in where)) return { ...buffer, in: where };
    if (buffers[where.of]!.in === 'own') return { ...buffer, in: { own: where.of, start: where.start } };
    return { ...buffer, in: { arena: (offsets.get(where.of) ?? 0) + where.start, root: where.of } };
  });
  return { placed, arenaBytes: plan.bytes, livePeakBytes: plan.peakBytes };
}

/** The buffers an instruction reads or writes. */
export function touched(instruction: Instruction): readonly number[] {
  switch (instruction.kind) {
    case 'compute':
    case 'host':
      return [...instruction.inputs, ...instruction.outputs];
    case 'blocks':
      return [...instruction.inputs, ...instruction.outputs, instruction.scratch];
    case 'collective':
      return [instruction.input, instruction.output];
    case 'send':
    case 'recv':
      return [instruction.buffer];
    case 'zero':
      return instruction.buffers;
  }
}
