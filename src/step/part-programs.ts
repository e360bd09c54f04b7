// The programs of a rank's parts, traced and cut when they are first asked for: parts that are built alike have the same.
import { type RecomputePolicy, recomputeOf } from '../mesh/recompute.ts';
import { layerLike } from '../model/config.ts';
import { type HeadPrograms, traceHead, traceLogits, traceLoss, traceLossAndGradient } from '../model/head.ts';
import type { Part } from '../model/params.ts';
import { keeping, type TraceSettings, traceWhole } from '../model/parts.ts';
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
  readonly writing: (name: PartKind[0], layer: number) => CutProgram;
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

export function cutPrograms(trace: TraceSettings): CutPrograms {
  const whole = once((name: PartKind[0], layer: number, sums: boolean) => traceWhole(name, trace, { layer, sums }));
  const backward = once((name: PartKind[0], layer: number, phase: Backward) =>
    cutProgram(whole(name, layer, true)[phase]),
  );
  const kept = once((...[name, layer, policy]: PartKind) => keeping(whole(name, layer, true), policy));
  const forward = once((...kind: PartKind) => cutProgram(kept(...kind).forward));
  const forwardOnly = once((name: PartKind[0], layer: number) =>
    cutProgram(only(whole(name, layer, true).forward, 'y')),
  );
  const recompute = once((...kind: PartKind) => {
    const again = kept(...kind).recompute;
    return again && cutProgram(again);
  });
  return {
    of: once((name, layer, policy) => ({
      get forward() {
        return forward(name, layer, policy);
      },
      get forwardOnly() {
        return forwardOnly(name, layer);
      },
      get recompute() {
        return recompute(name, layer, policy);
      },
      get backward() {
        return backward(name, layer, 'backward');
      },
      get inputGradient() {
        return backward(name, layer, 'inputGradient');
      },
      get weightGradient() {
        return backward(name, layer, 'weightGradient');
      },
    })),
    writing: once((name, layer) => cutProgram(whole(name, layer, false).backward)),
    head: once(() => {
      const { open, close } = traceHead(trace);
      return { open: cutProgram(open), close: cutProgram(close), openOnly: cutProgram(only(open, 'h')) };
    }),
    logits: once(() => cutProgram(traceLogits(trace))),
    loss: once((rows, length) => cutProgram(traceLoss(trace, { rows, length }))),
    lossAndGradient: once((rows, length) => cutProgram(traceLossAndGradient(trace, { rows, length }))),
  };
}

type Backward = 'backward' | 'inputGradient' | 'weightGradient';

/** A program without what only its other outputs need. */
function only({ inputs, nodes, outputs }: Program, name: string): Program {
  const wanted = outputs[name]!;
  return { inputs, nodes: slice(nodes, [wanted]), outputs: { [name]: wanted } };
}
