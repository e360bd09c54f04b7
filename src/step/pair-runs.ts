// Runs the head where the loss is of pairs of completions: its logits are made twice, for log-probabilities and for gradients, as
// what a token's gradient is multiplied by is known only when all tokens of its pair are.
import type { TokenBlock } from '../model/head.ts';
import type { TraceSettings } from '../model/parts.ts';
import {
  type PreferenceSettings,
  traceCompletions,
  traceLogProbs,
  traceLogProbsGradient,
  tracePreference,
} from '../model/preference.ts';
import { type Bindings, cutProgram } from './cut-program.ts';
import { once } from './once.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { Place } from './step.ts';

/** What says which tokens are of which completion. */
export interface CompletionTokens {
  readonly targets: number;
  readonly weights: number;
  readonly documents: number;
}

/** What the loss of pairs is made of besides their tokens. */
export interface PairBuffers {
  readonly documents: number;
  readonly reference: number;
  readonly pairWeights: number;
  /** Means of `preferenceFigures` are added there. */
  readonly figures: number;
}

type PairLoss = CompletionTokens & PairBuffers & { readonly scale: number; readonly lossSum: number };

interface Context {
  readonly builder: ProgramBuilder;
  readonly trace: TraceSettings;
  readonly blocks: readonly (TokenBlock & { readonly first: number })[];
  readonly preference: PreferenceSettings;
}

interface Features {
  /** Of all tokens [b, s, hidden]. */
  readonly h: number;
  /** `param:head.weight` among them. */
  readonly params: Bindings;
  readonly place: Place;
}

export interface PairRuns {
  /** h -> the loss, added to its sum. */
  loss(work: Features & { readonly loss: PairLoss }): void;
  /** With the gradients, which go to `dh` and `sum:head.weight`. */
  gradient(
    work: Features & {
      readonly dh: number;
      readonly sums: Bindings;
      readonly loss: PairLoss & { readonly one: number };
    },
  ): void;
  /** h -> [b, pairs, 2]. */
  completions(work: Features & { readonly tokens: CompletionTokens }): number;
}

export function runPairs({ builder, trace, blocks, preference }: Context): PairRuns {
  const { hiddenSize } = trace.config;
  const shapes = new Map<string, TokenBlock>();
  /** Blocks of one shape are one object. */
  const shapeOf = ({ rows, length }: TokenBlock): TokenBlock => {
    const key = `${rows} ${length}`;
    if (!shapes.has(key)) shapes.set(key, { rows, length });
    return shapes.get(key)!;
  };
  const forward = once((shape: TokenBlock) => cutProgram(traceLogProbs(trace, shape)));
  const backward = once((shape: TokenBlock) => cutProgram(traceLogProbsGradient(trace, shape)));
  const pairLoss = once((withGradient: boolean) => cutProgram(tracePreference(trace, preference, withGradient)));
  const sumsOnly = once((settings: PreferenceSettings) => cutProgram(traceCompletions(trace, settings)));

  /** A block's part of features [b, s, hidden], or of a number a token [b, s]. */
  const partOf = ({ rows, length, first }: Context['blocks'][number]) => ({
    features: (of: number) => builder.view(of, first * hiddenSize, [rows, length, hiddenSize]),
    numbers: (of: number) => builder.view(of, first, [rows, length]),
  });

  /** Of all tokens [b, s]. */
  const logProbsOf = ({ h, params, place }: Features, targets: number): number => {
    const all = builder.activation('log-probabilities', [trace.batch, trace.seqLen]);
    for (const block of blocks) {
      const { features, numbers } = partOf(block);
      const given = { h: features(h), targets: numbers(targets) };
      builder.run(forward(shapeOf(block)), [given, params], place, { logProbs: numbers(all) });
    }
    return all;
  };
  const operandsOf = ({ documents, weights, reference, pairWeights, scale, lossSum, figures }: PairLoss): Bindings => ({
    documents,
    weights,
    reference,
    pairWeights,
    scale,
    lossSum,
    figures,
  });

  return {
    loss({ loss, ...features }) {
      const logProbs = logProbsOf(features, loss.targets);
      builder.run(pairLoss(false), [{ logProbs }, operandsOf(loss)], features.place);
    },
    gradient({ loss, dh, sums, ...features }) {
      const { h, params, place } = features;
      const logProbs = logProbsOf(features, loss.targets);
      const operands = [{ logProbs, one: loss.one }, operandsOf(loss)];
      const { dLogProbs } = builder.run(pairLoss(true), operands, place);
      for (const block of blocks) {
        const { features, numbers } = partOf(block);
        const given = { h: features(h), targets: numbers(loss.targets), dLogProbs: numbers(dLogProbs!) };
        builder.run(backward(shapeOf(block)), [given, params, sums], place, { dh: features(dh) });
      }
    },
    completions({ tokens: { targets, documents, weights }, ...features }) {
      const logProbs = logProbsOf(features, targets);
      return builder.run(sumsOnly(preference), [{ logProbs, documents, weights }], features.place).sums!;
    },
  };
}
