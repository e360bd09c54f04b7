// Runs the parts of the model for one microbatch: each phase of a part is one call, whatever ZeRO, recomputation and blocks do inside.
import { type RecomputePolicy, recomputeOf } from '../mesh/recompute.ts';
import { layerLike } from '../model/config.ts';
import {
  type TokenBlock,
  tokenBlocks,
  traceHead,
  traceLogits,
  traceLoss,
  traceLossAndGradient,
} from '../model/head.ts';
import type { Part } from '../model/params.ts';
import { type TraceSettings, tracePart } from '../model/parts.ts';
import type { PreferenceSettings } from '../model/preference.ts';
import type { Program, Shape } from '../program/program.ts';
import { slice } from '../program/slice.ts';
import { type Held, sharesGradients } from './held.ts';
import { once } from './once.ts';
import { type CompletionTokens, type PairBuffers, runPairs } from './pair-runs.ts';
import { type Bindings, type CutProgram, cutProgram, type ProgramBuilder } from './program-builder.ts';
import type { Place } from './step.ts';

/** What the loss is made of on this rank. */
export interface LossBuffers {
  readonly targets: number;
  readonly weights: number;
  readonly scale: number;
  readonly lossSum: number;
  readonly one: number;
  /** Where the loss is of pairs. */
  readonly pairs?: PairBuffers;
}

/** What a part keeps of a microbatch: `saved:<id>` by name, and what its input gradient hands on to its weight gradient. */
export interface PartFlight {
  kept: readonly Bindings[];
}

export interface PartRuns {
  /** x -> y; what is kept goes into `flight`. The head only keeps x. */
  forward(part: Part, inputs: Bindings, place: Place, flight?: PartFlight): number | undefined;
  /** dy -> dx, all gradients added up. The head starts from its loss. */
  backward(
    part: Part,
    flight: PartFlight,
    dy: number | undefined,
    place: Place,
    loss?: LossBuffers,
  ): number | undefined;
  /** dy -> dx alone; the head adds its gradients up as well. */
  inputGradient(
    part: Part,
    flight: PartFlight,
    dy: number | undefined,
    place: Place,
    loss?: LossBuffers,
  ): number | undefined;
  /** The gradients that inputGradient left out. */
  weightGradient(part: Part, flight: PartFlight, dy: number | undefined, place: Place): void;
  /** x -> the loss of the microbatch, added to the sum: without gradients. */
  loss(part: Part, x: number, place: Place, loss: Omit<LossBuffers, 'one'>): void;
  /** x -> log-probabilities of the completions of every pair [b, pairs, 2]. */
  completions(part: Part, x: number, place: Place, tokens: CompletionTokens): number;
  /** x -> logits [b, s, padded vocabulary]. */
  logits(part: Part, x: number, place: Place): number;
}

interface Context {
  readonly builder: ProgramBuilder;
  readonly held: Held;
  readonly trace: TraceSettings;
  readonly lossBlock?: number | undefined;
  readonly preference?: PreferenceSettings | undefined;
  /** Of training: where what is told of a layer's routing is added up. */
  readonly told?: ((layer: number) => Bindings) | undefined;
}

export function runParts({ builder, held, trace, lossBlock, preference, told }: Context): PartRuns {
  const { layout } = trace;
  const tracedParts = once((...kind: PartKind) => cutPart(kind, trace));
  const ofKind =
    <T>(get: (...kind: PartKind) => T) =>
    ({ name, layer }: Part): T =>
      name === 'block'
        ? get('block', layerLike(trace.config, layer), recomputeOf(layout.recompute, layer))
        : get('embedding', 0, 'none');
  const kindOf = ofKind(tracedParts);
  /** Backward where gradients are written, not added to others. */
  const writing = ofKind(
    once((...[name, layer, policy]: PartKind) =>
      cutProgram(tracePart(name, trace, { policy, layer, sums: false }).backward),
    ),
  );
  const head = once(() => {
    const { open, close } = traceHead(trace);
    return { open: cutProgram(open), close: cutProgram(close), openOnly: cutProgram(only(open, 'h')) };
  });
  const logitsProgram = once(() => cutProgram(traceLogits(trace)));
  const lossPrograms = once((rows: number, length: number) => cutProgram(traceLoss(trace, { rows, length })));
  const gradientPrograms = once((rows: number, length: number) =>
    cutProgram(traceLossAndGradient(trace, { rows, length })),
  );
  const within = (place: Place, site: string): Place => ({ ...place, site: `${place.site} ${site}`.trim() });

  /** What the backward phases of a part read, computed anew where it was not kept. */
  const savedOf = (part: Part, { kept }: PartFlight, params: Bindings, place: Place): readonly Bindings[] => {
    const { recompute } = kindOf(part);
    return recompute ? [...kept, builder.run(recompute, [...kept, params], within(place, 'recompute'))] : kept;
  };

  const lossBlocks = once(() => tokenBlocks(trace, lossBlock));
  const pairRuns = once(() => runPairs({ builder, trace, blocks: lossBlocks(), preference: preference! }));
  const blockInputs = (block: TokenBlock & { first: number }, h: number, loss: Omit<LossBuffers, 'one'>): Bindings => {
    const tokens: Shape = [block.rows, block.length];
    const { hiddenSize } = trace.config;
    return {
      h: builder.view(h, block.first * hiddenSize, [...tokens, hiddenSize]),
      targets: builder.view(loss.targets, block.first, tokens),
      weights: builder.view(loss.weights, block.first, tokens),
      scale: loss.scale,
      lossSum: loss.lossSum,
    };
  };

  /** The head backward: opened, its loss and gradients block by block, closed. */
  const headBackward = (part: Part, flight: PartFlight, place: Place, loss: LossBuffers): number => {
    const { open, close } = head();
    const { hiddenSize } = trace.config;
    const params = held.params(part, place);
    const { bindings: sums, done } = held.sums(part, place);
    const opened = builder.run(open, [...flight.kept, params], place);
    const dh = builder.activation('gradient of the head', [trace.batch, trace.seqLen, hiddenSize]);
    if (loss.pairs) pairRuns().gradient({ h: opened.h!, dh, params, sums, loss: { ...loss, ...loss.pairs }, place });
    else
      for (const block of lossBlocks()) {
        const { rows, length, first } = block;
        builder.run(
          gradientPrograms(rows, length),
          [blockInputs(block, opened.h!, loss), { one: loss.one }, params, sums],
          place,
          { dh: builder.view(dh, first * hiddenSize, [rows, length, hiddenSize]) },
        );
      }
    const { dx } = builder.run(close, [{ dh }, opened, params, sums], place);
    done();
    return dx!;
  };

  return {
    forward(part, inputs, place, flight) {
      if (part.name === 'head') {
        flight!.kept = [{ x: inputs.x! }];
        return undefined;
      }
      const { forward, forwardOnly } = kindOf(part);
      const params = held.params(part, place);
      const sums = part.name === 'block' ? (told?.(part.layer) ?? {}) : {};
      const made = builder.run(flight ? forward : forwardOnly, [inputs, sums, params], place);
      if (flight) flight.kept = [made];
      return made.y;
    },
    backward(part, flight, dy, place, loss) {
      if (part.name === 'head') return headBackward(part, flight, place, loss!);
      const params = held.params(part, place);
      const saved = savedOf(part, flight, params, place);
      const { inputs, outputs, done } = held.gradients(part, place);
      const program = sharesGradients(layout) ? writing(part) : kindOf(part).backward;
      const { dx } = builder.run(program, [{ dy: dy! }, ...saved, params, inputs], place, outputs);
      done();
      return dx;
    },
    inputGradient(part, flight, dy, place, loss) {
      if (part.name === 'head') return headBackward(part, flight, place, loss!);
      const { inputGradient } = kindOf(part);
      if (inputGradient.pieces.length === 0) return undefined;
      const params = held.params(part, place);
      const saved = savedOf(part, flight, params, place);
      const made = builder.run(inputGradient, [{ dy: dy! }, ...saved, params], place);
      flight.kept = [...saved, made];
      return made.dx;
    },
    weightGradient(part, flight, dy, place) {
      if (part.name === 'head') return;
      const { weightGradient } = kindOf(part);
      const params = readsParams(weightGradient) ? held.params(part, place) : {};
      const { bindings, done } = held.sums(part, place);
      builder.run(weightGradient, [{ dy: dy! }, ...flight.kept, params, bindings], place);
      done();
    },
    loss(part, x, place, loss) {
      const params = held.params(part, place);
      const { h } = builder.run(head().openOnly, [{ x }, params], place);
      if (loss.pairs) pairRuns().loss({ h: h!, params, loss: { ...loss, ...loss.pairs }, place });
      else
        for (const block of lossBlocks())
          builder.run(lossPrograms(block.rows, block.length), [blockInputs(block, h!, loss), params], place);
    },
    completions(part, x, place, tokens) {
      const params = held.params(part, place);
      const { h } = builder.run(head().openOnly, [{ x }, params], place);
      return pairRuns().completions({ h: h!, params, tokens, place });
    },
    logits(part, x, place) {
      const params = held.params(part, place);
      const { h } = builder.run(head().openOnly, [{ x }, params], place);
      return builder.run(logitsProgram(), [{ h: h! }, params], place).logits!;
    },
  };
}

/** What parts with the same programs have in common; the layer is the first of its kind. */
type PartKind = [name: 'embedding' | 'block', layer: number, policy: RecomputePolicy];

function cutPart([name, layer, policy]: PartKind, trace: TraceSettings) {
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

const readsParams = ({ inputs }: CutProgram): boolean => [...inputs.keys()].some((name) => name.startsWith('param:'));
