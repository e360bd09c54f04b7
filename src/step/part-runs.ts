// Runs the parts of the model for one microbatch: each phase of a part is one call, whatever ZeRO, recomputation and blocks do inside.
import { type TokenBlock, tokenBlocks } from '../model/head.ts';
import type { Part } from '../model/params.ts';
import type { TraceSettings } from '../model/parts.ts';
import type { PreferenceSettings } from '../model/preference.ts';
import type { Shape } from '../program/program.ts';
import type { Bindings, CutProgram } from './cut-program.ts';
import { type Held, sharesGradients } from './held.ts';
import { once } from './once.ts';
import { type CompletionTokens, type PairBuffers, runPairs } from './pair-runs.ts';
import { type CutPrograms, cutPrograms, kindOf } from './part-programs.ts';
import type { ProgramBuilder } from './program-builder.ts';
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
  /** Of the parts, where they are known. */
  readonly programs?: CutPrograms;
  readonly lossBlock?: number | undefined;
  readonly preference?: PreferenceSettings | undefined;
  /** Of training: where what is told of a layer's routing is added up. */
  readonly told?: ((layer: number) => Bindings) | undefined;
}

export function runParts(context: Context): PartRuns {
  const { builder, held, trace, programs = cutPrograms(context.trace), lossBlock, preference, told } = context;
  const { layout } = trace;
  const programsOf = (part: Part) => programs.of(...kindOf(part, trace));
  const writing = (part: Part) => {
    const [name, layer] = kindOf(part, trace);
    return programs.writing(name, layer);
  };
  const within = (place: Place, site: string): Place => ({ ...place, site: `${place.site} ${site}`.trim() });

  /** What the backward phases of a part read, computed anew where it was not kept. */
  const savedOf = (part: Part, { kept }: PartFlight, params: Bindings, place: Place): readonly Bindings[] => {
    const { recompute } = programsOf(part);
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
    const { open, close } = programs.head();
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
          programs.lossAndGradient(rows, length),
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
      const { forward, forwardOnly } = programsOf(part);
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
      const program = sharesGradients(layout) ? writing(part) : programsOf(part).backward;
      // Of a model that is planned for alone there may be parameters that nothing reads.
      const made = trace.config.planOnly ? madeBy(program, outputs) : outputs;
      const { dx } = builder.run(program, [{ dy: dy! }, ...saved, params, inputs], place, made);
      done();
      return dx;
    },
    inputGradient(part, flight, dy, place, loss) {
      if (part.name === 'head') return headBackward(part, flight, place, loss!);
      const { inputGradient } = programsOf(part);
      if (inputGradient.pieces.length === 0) return undefined;
      const params = held.params(part, place);
      const saved = savedOf(part, flight, params, place);
      const made = builder.run(inputGradient, [{ dy: dy! }, ...saved, params], place);
      flight.kept = [...saved, made];
      return made.dx;
    },
    weightGradient(part, flight, dy, place) {
      if (part.name === 'head') return;
      const { weightGradient } = programsOf(part);
      const params = readsParams(weightGradient) ? held.params(part, place) : {};
      const { bindings, done } = held.sums(part, place);
      builder.run(weightGradient, [{ dy: dy! }, ...flight.kept, params, bindings], place);
      done();
    },
    loss(part, x, place, loss) {
      const params = held.params(part, place);
      const { h } = builder.run(programs.head().openOnly, [{ x }, params], place);
      if (loss.pairs) pairRuns().loss({ h: h!, params, loss: { ...loss, ...loss.pairs }, place });
      else
        for (const block of lossBlocks())
          builder.run(programs.loss(block.rows, block.length), [blockInputs(block, h!, loss), params], place);
    },
    completions(part, x, place, tokens) {
      const params = held.params(part, place);
      const { h } = builder.run(programs.head().openOnly, [{ x }, params], place);
      return pairRuns().completions({ h: h!, params, tokens, place });
    },
    logits(part, x, place) {
      const params = held.params(part, place);
      const { h } = builder.run(programs.head().openOnly, [{ x }, params], place);
      return builder.run(programs.logits(), [{ h: h! }, params], place).logits!;
    },
  };
}

const readsParams = ({ inputs }: CutProgram): boolean => [...inputs.keys()].some((name) => name.startsWith('param:'));

const madeBy = ({ outputs }: CutProgram, wanted: Bindings): Bindings =>
  Object.fromEntries(Object.entries(wanted).filter(([name]) => outputs.has(name)));
