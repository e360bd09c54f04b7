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
import { type Piece, segment } from '../program/segment.ts';
import type { RankState } from '../state/vectors.ts';
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
  run(cut: CutProgram, inputs: readonly Bindings[], place: Place, into?: Bindings): Bindings;
  finish(): RankProgram;
}

/** Buffers by the names of a program's inputs or outputs. */
export type Bindings = Readonly<Record<string, number>>;

/** A program cut into pieces once, run many times. */
export interface CutProgram {
  readonly pieces: readonly CutPiece[];
  /** By name: those that a piece reads or that are results. */
  readonly inputs: ReadonlyMap<string, Value>;
  /** By name: the values whose memory they are. */
  readonly outputs: ReadonlyMap<string, Value>;
}

interface CutPiece {
  readonly piece: Piece;
  /** All that it holds, in the order in which it is computed. */
  readonly site: string;
  /** `over[i]`: what output i is written over. */
  readonly over: readonly (Value | undefined)[];
}

export function cutProgram(program: Program): CutProgram {
  const { pieces, memoryOf } = segment(program);
  const inputs = Object.entries(program.inputs);
  const outputs = new Map(Object.entries(program.outputs).map(([name, value]) => [name, memoryOf(value)]));
  const readers = new Map<number, number>();
  for (const { id } of [...pieces.flatMap((piece) => piece.inputs), ...outputs.values()])
    readers.set(id, (readers.get(id) ?? 0) + 1);
  const given = new Set(inputs.map(([, { id }]) => id));
  /** A sum is taken where its operand lies, if that was made in the program and nothing else reads it. */
  const overOf = (piece: Piece): CutPiece['over'] => {
    const [operand] = piece.inputs;
    const isOwn = operand && readers.get(operand.id) === 1 && !given.has(operand.id);
    return isOwn && isSum(piece) ? [operand] : piece.over;
  };
  return {
    pieces: pieces.map((piece) => ({ piece, site: siteOf(piece), over: overOf(piece) })),
    inputs: new Map(inputs.filter(([, { id }]) => readers.has(id))),
    outputs,
  };
}

function isSum(piece: Piece): boolean {
  if (piece.kind !== 'collective') return false;
  const { execution } = piece.node.op;
  return execution.by === 'transport' && execution.call === 'allReduce';
}

function siteOf(piece: Piece): string {
  const nodes = piece.kind === 'compute' ? piece.nodes : [piece.node];
  return [...new Set(nodes.map((node) => node.site))].filter((name) => name !== '').join(' + ');
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
    run(cut, inputs, place, into) {
      const bound: number[] = [];
      for (const [name, { id }] of cut.inputs) {
        const given = inputs.find((each) => each[name] !== undefined);
        if (given) bound[id] = given[name]!;
      }
      const wanted = into && wantedBy(cut, into, place);
      for (const { piece, site: own, over } of cut.pieces) {
        const site = joined(place.site, own);
        const reads = piece.inputs.map((value) => bufferOf(bound, value, place));
        const writes = piece.outputs.map((value, index) => {
          const under = over[index];
          const id = under
            ? bufferOf(bound, under, place)
            : (wanted?.get(value.id) ?? builder.activation(site, value.shape, value.dtype));
          bound[value.id] = id;
          return id;
        });
        instructions.push(instructionOf(piece, reads, writes, place, site));
      }
      const results: Record<string, number> = {};
      for (const [name, value] of cut.outputs) {
        results[name] = bufferOf(bound, value, place);
        if (into && (into[name] ?? results[name]) !== results[name])
          throw new Error(`${place.site}: ${name} is not made where it is wanted`);
      }
      return results;
    },
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

/** The buffer that a run has bound to a value. */
function bufferOf(bound: readonly number[], { id, shape }: Value, { site }: Place): number {
  const buffer = bound[id];
  if (buffer === undefined) throw new Error(`${site}: a value of shape [${shape}] is read before it is made`);
  return buffer;
}

/** The buffers wanted for values: what is written over another value must be made where that lies. */
function wantedBy({ pieces, outputs }: CutProgram, into: Bindings, { site }: Place): ReadonlyMap<number, number> {
  const wanted = new Map<number, number>();
  for (const [name, buffer] of Object.entries(into)) {
    const { id } = outputs.get(name)!;
    if (wanted.has(id)) throw new Error(`${site}: ${name} is wanted in two places`);
    wanted.set(id, buffer);
  }
  for (const { piece, over } of pieces.toReversed())
    for (const [index, { id }] of piece.outputs.entries()) {
      const buffer = wanted.get(id);
      const under = over[index];
      if (under && buffer !== undefined) wanted.set(under.id, buffer);
    }
  return wanted;
}

const joined = (site: string, inner: string): string =>
  inner === '' ? site : site === '' ? inner : `${site} ${inner}`;

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
