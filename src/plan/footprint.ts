// What a part of the model keeps and needs while it runs, in bytes: found once a part, so that whole steps are sums of few numbers.

import type { PartName } from '../model/params.ts';
import type { TraceSettings } from '../model/parts.ts';
import { traceLogits, tracePart } from '../model/parts.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { elements, type Node, type Program, type Value } from '../program/program.ts';
import { slice } from '../program/slice.ts';
import { cutProgram, type ProgramPieces } from '../step/program-builder.ts';
import type { ComputePiece } from '../step/step.ts';

export interface Footprint {
  /** Values that the backward pass reads, from the forward pass of a microbatch to its backward one. */
  readonly keptBytes: number;
  /** Most bytes alive during the forward pass, its input and what it has kept so far included. */
  readonly forwardBytes: number;
  /** Most bytes alive during the backward pass, what is kept and the gradients that enter and leave included; parameters' not. */
  readonly backwardBytes: number;
  /** What ONNX Runtime's sessions take for values of their own. */
  readonly scratchBytes: number;
}

/**
 * Measured against resident memory (bench/resident-memory.ts), ONNX Runtime 1.28 and 1.30: a session's arena grows by doubling and is laid
 * out anew after the first run, so it holds 2.5 times what its values need at once.
 */
const arenaFactor = 2.5;
/**
 * Of attention, whose strips ONNX Runtime runs in an order of its own, all scores are held at once several times over: multiples
 * of the bytes of the scores that are seen. Fitted to the same measurements.
 */
const scoreCopies: ReadonlyMap<string, number> = new Map([
  ['attention', 5],
  ['attentionGrad', 10],
]);

export const bytesOf = (value: Pick<Value, 'shape' | 'dtype'>, precision: Precision): number =>
  elements(value.shape) * (value.dtype === 'float' && precision === 'f64' ? 8 : 4);

/** Of one microbatch of a training step. */
export function trainingFootprint(part: PartName, settings: TraceSettings, precision: Precision): Footprint {
  const { forward, backward, saved } = tracePart(part, settings);
  const [ahead, back] = [cutProgram(forward), cutProgram(backward)];
  // Token ids are buffers of their own; a value that only re-types another is no memory.
  const kept = new Map(
    saved
      .filter((value) => value.dtype === 'float')
      .map((value) => [ahead.memoryOf(value).id, ahead.memoryOf(value)] as const),
  );
  const { x, y } = { ...forward.inputs, ...forward.outputs };
  return {
    keptBytes: sum([...kept.values()], precision),
    forwardBytes: peakBytes(
      ahead,
      { entering: x ? [x] : [], lasting: [...kept.values(), ...(y ? [y] : [])] },
      precision,
    ),
    backwardBytes: peakBytes(
      back,
      {
        entering: [...kept.values(), ...(backward.inputs.dy ? [backward.inputs.dy] : [])],
        lasting: backward.outputs.dx ? [backward.outputs.dx] : [],
      },
      precision,
    ),
    scratchBytes: scratchBytes(ahead, precision) + scratchBytes(back, precision),
  };
}

/** Of a forward pass that ends in logits. */
export function forwardFootprint(part: PartName, settings: TraceSettings, precision: Precision): Footprint {
  const cut = cutProgram(part === 'head' ? traceLogits(settings) : forwardOnly(part, settings));
  const { inputs, outputs } = cut.program;
  const entering = inputs.x ? [inputs.x] : [];
  const forwardBytes = peakBytes(cut, { entering, lasting: Object.values(outputs) }, precision);
  return { keptBytes: 0, forwardBytes, backwardBytes: 0, scratchBytes: scratchBytes(cut, precision) };
}

function forwardOnly(part: PartName, settings: TraceSettings): Program {
  const { inputs, nodes, outputs } = tracePart(part, settings).forward;
  return { inputs, nodes: slice(nodes, [outputs.y!]), outputs: { y: outputs.y! } };
}

const sum = (values: readonly Value[], precision: Precision): number =>
  values.reduce((total, value) => total + bytesOf(value, precision), 0);

/** The most bytes alive at once among values that enter, and those that pieces hand to each other. */
function peakBytes(
  { pieces, memoryOf }: ProgramPieces,
  { entering, lasting }: { readonly entering: readonly Value[]; readonly lasting: readonly Value[] },
  precision: Precision,
): number {
  const last = new Map<number, number>();
  for (const [index, piece] of pieces.entries()) for (const value of piece.inputs) last.set(memoryOf(value).id, index);
  for (const value of lasting) last.set(memoryOf(value).id, pieces.length);
  const alive = new Map<number, number>();
  const enter = (value: Value) => alive.set(memoryOf(value).id, bytesOf(value, precision));
  for (const value of entering) enter(value);
  let peak = total(alive);
  for (const [index, piece] of pieces.entries()) {
    for (const [place, value] of piece.outputs.entries())
      if (piece.kind !== 'compute' || piece.over[place] === undefined) enter(value);
    peak = Math.max(peak, total(alive));
    for (const id of alive.keys()) if ((last.get(id) ?? -1) <= index) alive.delete(id);
  }
  return peak;
}

/** Of the sessions of a part, each with an arena of its own: values that no other piece sees, and those inside of ops. */
function scratchBytes({ pieces }: ProgramPieces, precision: Precision): number {
  let bytes = 0;
  for (const piece of pieces) {
    if (piece.kind !== 'compute') continue;
    bytes += arenaFactor * innerBytes(piece, precision);
    for (const node of piece.nodes) {
      const copies = scoreCopies.get(node.op.name);
      if (copies !== undefined) bytes += copies * scoreBytes(node, precision);
    }
  }
  return bytes;
}

function innerBytes({ nodes, inputs, outputs }: ComputePiece, precision: Precision): number {
  const seen = new Set([...inputs, ...outputs].map(({ id }) => id));
  const last = new Map<number, number>();
  for (const [index, node] of nodes.entries()) for (const { id } of node.inputs) last.set(id, index);
  const alive = new Map<number, number>();
  let peak = 0;
  for (const [index, node] of nodes.entries()) {
    for (const value of node.outputs) if (!seen.has(value.id)) alive.set(value.id, bytesOf(value, precision));
    // An op of several ONNX nodes passes results between them that are as large as what it reads or writes.
    const inside = gemms.has(node.op.name) ? [] : [...node.inputs, ...node.outputs].filter(isActivation);
    const largest = Math.max(0, ...inside.map((value) => bytesOf(value, precision)));
    peak = Math.max(peak, total(alive) + largest);
    for (const id of alive.keys()) if ((last.get(id) ?? -1) <= index) alive.delete(id);
  }
  return peak;
}

/** The scores [b, heads, s, s] that causal attention with its window looks at. */
function scoreBytes({ op, inputs, attrs }: Node, precision: Precision): number {
  const q = inputs[op.name === 'attention' ? 0 : 1]!;
  const [batch, length, heads] = q.shape as [number, number, number, number];
  const { window = length } = attrs as { readonly window?: number };
  return batch * heads * length * Math.min(length / 2, window) * bytesOf({ shape: [1], dtype: 'float' }, precision);
}

/** Ops that are one ONNX node. */
const gemms = new Set(['linear', 'outerSum']);

/** Parameters are read where they lie. */
const isActivation = ({ types }: Value): boolean => types.dp !== 'R';

const total = (sizes: ReadonlyMap<number, number>): number =>
  [...sizes.values()].reduce((all, bytes) => all + bytes, 0);
