// The token buffers of a program: what the parts of a rank's stage read of every microbatch.
import type { Part } from '../model/params.ts';
import type { PreferenceSettings } from '../model/preference.ts';
import { preferenceFigures } from '../ops/preference.ts';
import type { Numbers } from '../program/program.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { StepSettings } from './settings.ts';
import type { TokenBuffers } from './step.ts';

/** Where every sequence is one document, all microbatches share what says where tokens stand. */
export function tokenBuffers(
  builder: ProgramBuilder,
  parts: readonly Part[],
  { microBatch, seqLen, microbatches, packed, preference }: StepSettings,
  end: 'loss' | 'completions' | 'logits',
): TokenBuffers[] {
  const has = (name: string) => parts.some((part) => part.name === name);
  const buffer = (what: string, dtype: 'int' | 'float' = 'int') => builder.own(what, [microBatch, seqLen], dtype);
  const places = (of: string) => ({ positions: buffer(`positions${of}`), documents: buffer(`documents${of}`) });
  const shared = packed ? undefined : places('');
  return Array.from(
    { length: microbatches },
    (_, m): TokenBuffers => ({
      ...(has('embedding') ? { ids: buffer(`ids ${m}`) } : {}),
      ...(shared ?? places(` ${m}`)),
      ...(has('head') && end !== 'logits'
        ? { targets: buffer(`targets ${m}`), weights: buffer(`weights ${m}`, 'float') }
        : {}),
      ...(has('head') && end === 'loss' && preference ? pairBuffers(builder, microBatch, preference, m) : {}),
    }),
  );
}

const pairBuffers = (builder: ProgramBuilder, microBatch: number, { pairs }: PreferenceSettings, m: number) => ({
  reference: builder.own(`reference ${m}`, [microBatch, pairs, 2]),
  pairWeights: builder.own(`pairs ${m}`, [microBatch, pairs]),
});

/** Every sequence is one document, its tokens in order. */
export function fillPlaces(of: (id: number) => Numbers, { positions, documents }: TokenBuffers, seqLen: number): void {
  const numbers = of(positions);
  for (let i = 0; i < numbers.length; i++) numbers[i] = i % seqLen;
  of(documents).fill(0);
}

/** Sums that a program takes over its microbatches: the loss, and where that is of pairs their figures. */
export const lossNumbers = ({ preference }: StepSettings): number => (preference ? 1 + preferenceFigures.length : 1);

/** They lie in one buffer, so that ranks add them up in one call. */
export interface Means {
  readonly loss: number;
  readonly lossSum: number;
  readonly figures?: number;
}

export function lossBuffers(builder: ProgramBuilder, settings: StepSettings): Means {
  const loss = builder.own('loss', [lossNumbers(settings)]);
  if (!settings.preference) return { loss, lossSum: loss };
  return {
    loss,
    lossSum: builder.view(loss, 0, [1]),
    figures: builder.view(loss, 1, [preferenceFigures.length]),
  };
}

/** What the loss of a microbatch is made of, but for what it is multiplied by. */
export function lossOperands(tokens: TokenBuffers, { lossSum, figures }: Means) {
  const { targets, weights, documents, reference, pairWeights } = tokens;
  return {
    targets: targets!,
    weights: weights!,
    lossSum,
    ...(reference === undefined
      ? {}
      : { pairs: { documents, reference, pairWeights: pairWeights!, figures: figures! } }),
  };
}
