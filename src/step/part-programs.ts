// The programs of a rank's parts, traced and cut when they are first asked for: parts that are built alike have the same.
import { type RecomputePolicy, recomputeOf } from '../mesh/recompute.ts';
import { layerLike } from '../model/config.ts';
import { type HeadPrograms, traceHead, traceLogits, traceLoss, traceLossAndGradient } from '../model/head.ts';
import type { Part } from '../model/params.ts';
import { type TraceSettings, tracePart } from '../model/parts.ts';
import type { Program } from '../program/program.ts';
import { slice } from '../program/slice.ts';
import { type CutProgram, cutProgram } from './cut-program.ts';
import { once } from './once.ts';

/** See {@link PartPrograms} of model/parts.ts. */
export interface CutPart {
  readonly forward: CutProgram;
  /** Without what is kept for the backward pass. */
  readonly forwardOnly: CutProgram;
  readonly recompute: CutProgram | undefined;
  readonly backward: CutProgram;
  readonly inputGradient: CutProgram;
  readonly weightGradient: CutProgram;
}

export type CutHead = { readonly [phase in keyof HeadPrograms | 'openOnly']: CutProgram };

/** What parts with the same programs have in common; the layer is the first of its kind. */
export type PartKind = readonly [name: 'embedding' | 'block', layer: number, policy: RecomputePolicy];

export interface CutPrograms {
  readonly of: (...kind: PartKind) => CutPart;
  /** Backward where gradients are written, not added to others. */
  readonly writing: (...kind: PartKind) => CutProgram;
  readonly head: () => CutHead;
  readonly logits: () => CutProgram;
  /** Of a block of tokens. */
  readonly loss: (rows: number, length: number) => CutProgram;
  readonly lossAndGradient: (rows: number, length: number) => CutProgram;
}

export function kindOf({ name, layer }: Part, { config, layout }: Pick<TraceSettings, 'config' | 'layout'>): PartKind {
  return name === 'block'
    ? ['block', layerLike(config, layer), recomputeOf(layout.recompute, layer)]
    : ['embedding', 0, 'none'];
}

export const cutPrograms = (trace: TraceSettings): CutPrograms => ({
  of: once((...kind) => cutPart(kind, trace)),
  writing: once((...[name, layer, policy]) =>
    cutProgram(tracePart(name, trace, { policy, layer, sums: false }).backward),
  ),
  head: once(() => {
    const { open, close } = traceHead(trace);
    return { open: cutProgram(open), close: cutProgram(close), openOnly: cutProgram(only(open, 'h')) };
  }),
  logits: once(() => cutProgram(traceLogits(trace))),
  loss: once((rows, length) => cutProgram(traceLoss(trace, { rows, length }))),
  lossAndGradient: once((rows, length) => cutProgram(traceLossAndGradient(trace, { rows, length }))),
});

function cutPart([name, layer, policy]: PartKind, trace: TraceSettings): CutPart {
  const { forward, recompute, backward, inputGradient, weightGradient } = tracePart(name, trace, { policy, layer });
  return {
    forward: cutProgram(forward),
    forwardOnly: cutProgram(only(forward, 'y')),
    recompute: recompute && cutProgram(recompute),
    backward: cutProgram(backward),
    inputGradient: cutProgram(inputGradient),
    weightGradient: cutProgram(weightGradient),
  };
}

/** A program without what only its other outputs need. */
function only({ inputs, nodes, outputs }: Program, name: string): Program {
  const wanted = outputs[name]!;
  return { inputs, nodes: slice(nodes, [wanted]), outputs: { [name]: wanted } };
}
