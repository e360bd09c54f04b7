// Collects a rank's buffers, segments and instructions, then places the activations in the arena.
import { groupOf, type Mesh } from '../mesh/mesh.ts';
import { endsGroup } from '../model/stages.ts';
import { planMemory } from '../program/liveness.ts';
import { structureOf } from '../program/lower.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { type Dtype, elementBytes, elements, type Node, type Shape } from '../program/program.ts';
import type { Piece } from '../program/segment.ts';
import type { RankState } from '../state/vectors.ts';
import { type Bindings, type CutProgram, runCut } from './cut-program.ts';
import { once } from './once.ts';
import {
  type Buffer,
  type BufferPlace,
  type ComputePiece,
  type Instruction,
  type Place,
  type RankProgram,
  type Segment,
  touched,
} from './step.ts';

export interface ProgramBuilder {
  /** Memory of its own, outside the arena. */
  own(name: string, shape: Shape, dtype?: Dtype): number;
  /**
   * Memory in the arena, from the first instruction that touches it to the last. `copyOf`: of vectors of the state that are whole there
   * for a while.
   */
  activation(name: string, shape: Shape, dtype?: Dtype, copyOf?: 'parameter' | 'gradient'): number;
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
  run(cut: CutProgram, inputs: readonly Bindings[], place: Place, into?: Bindings): Bindings;
  finish(): RankProgram;
}

export function startProgram(mesh: Mesh, rank: number, precision: Precision, state: RankState): ProgramBuilder {
  const buffers: Buffer[] = [];
  const instructions: Instruction[] = [];
  const kept: number[] = [];
  const segments = segmentTable();
  const callOf = once((node: Node) => callOn(node, mesh, rank));
  const loopOf = once(blocksOf);

  /** Places in the arena: until the roots have theirs, as if each were at 0. */
  const places: ArenaPlace[] = [];
  const inArena = (root: number, arena: number): ArenaPlace => {
    const place = { arena, root };
    places.push(place);
    return place;
  };
  const add = (name: string, shape: Shape, dtype: Dtype, where: BufferPlace): number => {
    const id = buffers.length;
    buffers.push({ id, name, shape, dtype, bytes: elements(shape) * elementBytes(dtype, precision), in: where });
    return id;
  };
  const builder: ProgramBuilder = {
    own: (name, shape, dtype = 'float') => add(name, shape, dtype, 'own'),
    activation: (name, shape, dtype = 'float') => add(name, shape, dtype, inArena(buffers.length, 0)),
    view(of, start, shape) {
      const { name, dtype, in: where } = buffers[of]!;
      const bytes = start * elementBytes(dtype, precision);
      if (where === 'own') return add(name, shape, dtype, { own: of, start: bytes });
      if ('root' in where) return add(name, shape, dtype, inArena(where.root, where.arena + bytes));
      return add(name, shape, dtype, { ...where, start: where.start + bytes });
    },
    state: (vector, start, shape) =>
      add(state.vectors[vector]!.bucket.name, shape, 'float', {
        vector,
        start: start * elementBytes('float', precision),
      }),
    emit: (instruction) => void instructions.push(instruction),
    keep: (id) => void kept.push(id),
    run: (cut, inputs, place, into) =>
      runCut(cut, inputs, place, into, {
        activation: builder.activation,
        piece: (piece, reads, writes, site) => instructions.push(instructionOf(piece, reads, writes, place, site)),
      }),
    finish() {
      const { offsets, ...plan } = planArena(buffers, instructions, kept);
      for (const place of places) place.arena += offsets[place.root]!;
      return { rank, precision, state: state.vectors, buffers, ...plan, segments: segments.all, instructions };
    },
  };

  const instructionOf = (
    piece: Piece,
    inputs: number[],
    outputs: number[],
    place: Place,
    site: string,
  ): Instruction => {
    switch (piece.kind) {
      case 'compute':
        return { kind: 'compute', segment: segments.of(piece), inputs, outputs, ...place, site };
      case 'host':
        return { kind: 'host', node: piece.node, inputs, outputs, ...place, site };
      case 'blocks': {
        const { flops, scratchElements } = loopOf(piece.node);
        const scratch = builder.activation(`${site} scratch`, [scratchElements]);
        return { kind: 'blocks', node: piece.node, inputs, outputs, scratch, flops, ...place, site };
      }
      case 'collective':
        return {
          kind: 'collective',
          ...callOf(piece.node),
          ...operandsOf(inputs),
          output: outputs[0]!,
          ...place,
          site,
        };
    }
  };
  return builder;
}

interface ArenaPlace {
  arena: number;
  readonly root: number;
}

type Call = Pick<Extract<Instruction, { kind: 'collective' }>, 'call' | 'group' | 'how'>;

/** Operands of a collective: what is sent, and counts if it has any. */
const operandsOf = ([input, sent, received]: readonly number[]) =>
  sent === undefined ? { input: input! } : { input: input!, counts: { sent, received: received! } };

/** What a collective is on this rank, wherever its operand lies. */
function callOn(node: Node, mesh: Mesh, rank: number): Call {
  const { execution } = node.op;
  if (execution.by !== 'transport') throw new Error(`${node.op.name} is no collective`);
  const { axes, ends } = node.attrs as { axes: Parameters<typeof groupOf>[2]; ends?: boolean };
  const group = ends ? endsGroup(mesh, rank) : groupOf(mesh, rank, axes);
  return { call: execution.call, group, how: execution.how(node.attrs, node) };
}

/** What is known of a node that runs by blocks. */
function blocksOf(node: Node) {
  const { execution, flops } = node.op;
  if (execution.by !== 'blocks') throw new Error(`${node.op.name} does not run by blocks`);
  return {
    flops: flops?.(node.inputs, node.attrs) ?? 0,
    scratchElements: execution.scratchElements(node.attrs, node),
  };
}

/** The different segments of a program: pieces of the same structure are one. */
function segmentTable() {
  const all: Segment[] = [];
  const byStructure = new Map<string, number>();
  const of = once((piece: ComputePiece): number => {
    const structure = structureOf(piece);
    const known = byStructure.get(structure);
    if (known !== undefined) return known;
    const flops = piece.nodes.reduce((sum, node) => sum + (node.op.flops?.(node.inputs, node.attrs) ?? 0), 0);
    all.push({ piece, structure, flops });
    byStructure.set(structure, all.length - 1);
    return all.length - 1;
  });
  return { all, of };
}

/** Plans the arena: gives every root its place there. */
function planArena(buffers: readonly Buffer[], instructions: readonly Instruction[], kept: readonly number[]) {
  const first = new Int32Array(buffers.length).fill(-1);
  const last = new Int32Array(buffers.length);
  const touch = (id: number, at: number): void => {
    const { in: where } = buffers[id]!;
    if (where === 'own' || !('root' in where)) return;
    if (first[where.root]! < 0) first[where.root] = at;
    last[where.root] = at;
  };
  for (const [index, instruction] of instructions.entries()) for (const id of touched(instruction)) touch(id, index);
  for (const id of kept) touch(id, instructions.length);
  const roots = buffers.filter(({ id }) => first[id]! >= 0);
  const plan = planMemory(roots.map(({ id, bytes }) => ({ bytes, first: first[id]!, last: last[id]! })));
  const offsets = new Float64Array(buffers.length);
  for (const [index, { id }] of roots.entries()) offsets[id] = plan.offsets[index]!;
  return { offsets, arenaBytes: plan.bytes, livePeakBytes: plan.peakBytes };
}
