// A program cut into pieces once and run many times: which buffers its pieces read and write.
import type { Dtype, Program, Shape, Value } from '../program/program.ts';
import { type Piece, segment } from '../program/segment.ts';
import type { Place } from './step.ts';

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
  const count = ({ id }: Value): void => void readers.set(id, (readers.get(id) ?? 0) + 1);
  for (const piece of pieces) piece.inputs.forEach(count);
  for (const value of outputs.values()) count(value);
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

/** What becomes of a program that is run: memory of its results, and each of its pieces, with what it reads and writes. */
export interface RunTarget {
  readonly activation: (name: string, shape: Shape, dtype: Dtype) => number;
  readonly piece: (piece: Piece, reads: number[], writes: number[], site: string) => void;
}

/** Runs a program on buffers: see {@link ProgramBuilder.run}. */
export function runCut(
  cut: CutProgram,
  inputs: readonly Bindings[],
  place: Place,
  into: Bindings | undefined,
  target: RunTarget,
): Bindings {
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
        : (wanted?.get(value.id) ?? target.activation(site, value.shape, value.dtype));
      bound[value.id] = id;
      return id;
    });
    target.piece(piece, reads, writes, site);
  }
  const results: Record<string, number> = {};
  for (const [name, value] of cut.outputs) {
    results[name] = bufferOf(bound, value, place);
    if (into && (into[name] ?? results[name]) !== results[name])
      throw new Error(`${place.site}: ${name} is not made where it is wanted`);
  }
  return results;
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
