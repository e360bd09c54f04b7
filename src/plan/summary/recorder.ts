// Records what runs of programs do, in place of writing it down for a rank: the code that plays parts, holds parameters and finishes steps is
// given it as its builder, so that summaries are of the very instructions that a rank has.
import { type GroupAxis, groupAxis } from '../../mesh/mesh.ts';
import type { CollectiveOp } from '../../mesh/traffic.ts';
import { kernelOf } from '../../program/kernel-of.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import { type Dtype, elements, type Node, type Value } from '../../program/program.ts';
import type { Piece } from '../../program/segment.ts';
import type { TypedAxis } from '../../program/types.ts';
import type { StateRole, StateVector } from '../../state/vectors.ts';
import { runCut } from '../../step/cut-program.ts';
import type { ProgramBuilder } from '../../step/program-builder.ts';

/** What numbers are, by which they are as wide as they are. */
export type NumberRole = 'activation' | StateRole | Exclude<Dtype, 'float'>;

/** Memory that is gone through: so many numbers of each role. */
export type Gone = Readonly<Partial<Record<NumberRole, number>>>;

/** A collective of a group of so many ranks. */
export interface RecordedTalk {
  readonly axis: GroupAxis;
  readonly ranks: number;
  readonly call: CollectiveOp;
  readonly numbers: number;
  readonly role: NumberRole;
}

/** An instruction. */
export interface Step {
  readonly site: string;
  /** The activations that it touches, by their number in {@link Recording.activations}; some may be there twice. */
  readonly touched: readonly number[];
  readonly kernels: readonly (
    | KernelShape
    | { readonly kind: 'state'; readonly gone: Gone; readonly updates: boolean; readonly op: string }
  )[];
  readonly talk: RecordedTalk | undefined;
  readonly flops: number;
  /** So many of them there are: one for each of the buckets that one stands for. */
  readonly count: number;
  /** It works on a rank's share of a vector: with more ranks that share it out there is less to do. */
  readonly ofShare: boolean;
}

/** Memory of the arena. */
export interface Activation {
  readonly numbers: number;
  readonly role: NumberRole;
}

export interface Recording {
  readonly steps: readonly Step[];
  readonly activations: readonly Activation[];
  /** Memory of their own. */
  readonly own: readonly Activation[];
}

interface Recorded {
  readonly role: NumberRole;
  readonly numbers: number;
  /** Of the activation that it is a part of; undefined: it is in other memory. */
  readonly root?: number;
  /** Of the state: how many buckets its one stands for. */
  readonly count?: number;
  /** Of the state: it is shared out. */
  readonly isShare?: boolean;
}

export interface Recorder {
  readonly builder: ProgramBuilder;
  readonly recording: Recording;
  /** The activation that a buffer is a part of. */
  readonly rootOf: (buffer: number) => number;
}

/** `mesh`: sizes of the axes that programs talk over; `vectors`: of the state that they work on. */
export function startRecording(
  mesh: Readonly<Record<TypedAxis | 'pp', number>>,
  vectors: readonly Pick<StateVector, 'role' | 'bucket' | 'size'>[],
): Recorder {
  const steps: Step[] = [];
  const activations: Activation[] = [];
  const own: Activation[] = [];
  const buffers: Recorded[] = [];
  const add = (buffer: Recorded): number => buffers.push(buffer) - 1;
  const roleOf = (dtype: Dtype, of: NumberRole = 'activation'): NumberRole => (dtype === 'float' ? of : dtype);
  const newActivation = (numbers: number, role: NumberRole): number =>
    add({ role, numbers, root: activations.push({ numbers, role }) - 1 });

  const piece = (each: Piece, reads: readonly number[], writes: readonly number[], site: string): void => {
    const { nodes, plain, flops } = workOf(each);
    const touched: number[] = [];
    let [count, ofState, ofShare] = [1, false, false];
    const touch = (id: number): void => {
      const { root, count: alike = 1, role, isShare = false } = buffers[id]!;
      if (root !== undefined) touched.push(root);
      if (alike > count) count = alike;
      ofState ||= isOfState(role);
      ofShare ||= isShare;
    };
    for (const id of reads) touch(id);
    for (const id of writes) touch(id);
    if (each.kind === 'blocks') touch(newActivation(scratchOf(each.node), 'activation'));
    const kernels = ofState ? kernelsIn(nodes, boundBy(each, reads, writes, buffers)) : plain;
    const talk = each.kind === 'collective' ? talkOf(each.node, buffers[reads[0]!]!, mesh) : undefined;
    steps.push({ site, touched, kernels, flops, count, ofShare, talk });
  };

  const builder: ProgramBuilder = {
    own(_, shape, dtype = 'float') {
      const memory = { numbers: elements(shape), role: roleOf(dtype) };
      own.push(memory);
      return add(memory);
    },
    activation: (_, shape, dtype = 'float', copyOf) => newActivation(elements(shape), roleOf(dtype, copyOf)),
    view(of, _, shape) {
      return add({ ...buffers[of]!, numbers: elements(shape) });
    },
    state(vector, _, shape) {
      const { role, bucket, size } = vectors[vector]!;
      return add({ role, numbers: elements(shape), count: bucket.count, isShare: size < bucket.size });
    },
    emit(instruction) {
      if (instruction.kind !== 'zero') throw new Error(`${instruction.site}: a ${instruction.kind} is no part's own`);
      const zeroed = instruction.buffers.map((id) => buffers[id]!);
      const all = zeroed.map(({ role, numbers, count = 1 }) => ({ role, numbers: numbers * count }));
      const kernel = { kind: 'state', gone: addGone(all), updates: false, op: 'zero' } as const;
      const touched = zeroed.flatMap(({ root }) => root ?? []);
      steps.push({
        site: instruction.site,
        touched,
        kernels: [kernel],
        flops: 0,
        count: 1,
        ofShare: false,
        talk: undefined,
      });
    },
    keep: () => undefined,
    run: (cut, inputs, place, into) =>
      runCut(cut, inputs, place, into, {
        activation: (name, shape, dtype) => builder.activation(name, shape, dtype),
        piece,
      }),
    finish() {
      throw new Error('a recording is no program');
    },
  };
  return {
    builder,
    recording: { steps, activations, own },
    rootOf(buffer) {
      const { root } = buffers[buffer]!;
      if (root === undefined) throw new Error(`buffer ${buffer} is no activation`);
      return root;
    },
  };
}

interface Work {
  readonly nodes: readonly Node[];
  /** Of nodes that work on activations alone. */
  readonly plain: readonly KernelShape[];
  readonly flops: number;
}

/** What a piece is to a device: parts that keep more or less have the same pieces and nodes. */
function workOf(piece: Piece): Work {
  const found = works.get(piece);
  if (found) return found;
  const nodes = piece.kind === 'compute' ? piece.nodes : [piece.node];
  const plain = nodes.flatMap((node) => plainKernel(node) ?? []);
  const flops = nodes.reduce((sum, { op, inputs, attrs }) => sum + (op.flops?.(inputs, attrs) ?? 0), 0);
  const made = { nodes, plain, flops };
  works.set(piece, made);
  return made;
}
const works = new WeakMap<Piece, Work>();

/** Of nodes that the pieces of several programs have. */
function plainKernel(node: Node): KernelShape | undefined {
  if (!kernels.has(node.outputs)) kernels.set(node.outputs, kernelOf(node));
  return kernels.get(node.outputs);
}
const kernels = new WeakMap<Node['outputs'], KernelShape | undefined>();

/** What a piece's values are bound to, by their ids. */
function boundBy(
  { inputs, outputs }: Piece,
  reads: readonly number[],
  writes: readonly number[],
  buffers: readonly Recorded[],
): (value: Value) => Recorded | undefined {
  return ({ id }) => {
    const read = inputs.findIndex((value) => value.id === id);
    if (read >= 0) return buffers[reads[read]!];
    const written = outputs.findIndex((value) => value.id === id);
    return written < 0 ? undefined : buffers[writes[written]!];
  };
}

function scratchOf(node: Node): number {
  const { execution } = node.op;
  return execution.by === 'blocks' ? execution.scratchElements(node.attrs, node) : 0;
}

type Bound = ReturnType<typeof boundBy>;
const kernelsIn = (nodes: readonly Node[], bound: Bound): Step['kernels'] =>
  nodes.flatMap((node) => kernelIn(node, bound) ?? []);

/** Numbers of the state that a node goes through are as wide as their role says. */
function kernelIn(node: Node, bound: Bound): Step['kernels'][number] | undefined {
  const kernel = plainKernel(node);
  if (kernel?.kind !== 'memory' || node.op.kernel) return kernel;
  const values = [...node.inputs, ...node.outputs];
  if (!values.some((value) => isOfState(bound(value)?.role))) return kernel;
  const roleOf = (value: Value): NumberRole =>
    value.dtype === 'float' ? (bound(value)?.role ?? 'activation') : value.dtype;
  const gone = addGone(values.map((value) => ({ role: roleOf(value), numbers: elements(value.shape) })));
  return { kind: 'state', gone, updates: gone.firstMoment !== undefined, op: node.op.name };
}

const isOfState = (role: NumberRole | undefined): boolean =>
  role !== undefined && role !== 'activation' && role !== 'int' && role !== 'double';

function addGone(all: readonly Activation[]): Gone {
  const sum: { [role in NumberRole]?: number } = {};
  for (const { role, numbers } of all) sum[role] = (sum[role] ?? 0) + numbers;
  return sum;
}

function talkOf(node: Node, sent: Recorded, mesh: Readonly<Record<TypedAxis | 'pp', number>>): RecordedTalk {
  const { execution } = node.op;
  if (execution.by !== 'transport') throw new Error(`${node.op.name} is no collective`);
  const { axes, ends } = node.attrs as { readonly axes: readonly (TypedAxis | 'pp')[]; readonly ends?: boolean };
  const { width, rows } = execution.how(node.attrs, node);
  return {
    axis: groupAxis(axes),
    ranks: ends ? 2 : axes.reduce((product, axis) => product * mesh[axis], 1),
    call: execution.call,
    // Of rows that are counted at run time: as many as there are on average.
    numbers: width === undefined ? sent.numbers : rows! * width,
    role: sent.role,
  };
}
