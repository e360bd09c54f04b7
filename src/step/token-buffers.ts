// The token buffers of a program: what the parts of a rank's stage read of every microbatch.
import type { Coords } from '../mesh/mesh.ts';
import { foreignBlocks, keyMembers } from '../mesh/sequence.ts';
import type { Part } from '../model/params.ts';
import { keyPlaceNames } from '../model/parts.ts';
import type { PreferenceSettings } from '../model/preference.ts';
import { preferenceFigures } from '../ops/preference.ts';
import type { Bindings } from './cut-program.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { StepSettings } from './settings.ts';
import type { PlaceBuffers, TokenBuffers } from './step.ts';

/** Where every sequence is one document, all microbatches share what says where tokens stand. */
export function tokenBuffers(
  builder: ProgramBuilder,
  parts: readonly Part[],
  { microBatch, seqLen, microbatches, packed, layout, preference }: StepSettings,
  { cp }: Pick<Coords, 'cp'>,
  end: 'loss' | 'completions' | 'logits',
): TokenBuffers[] {
  const has = (name: string) => parts.some((part) => part.name === name);
  const own = [cp];
  const blocks = keyMembers(layout, cp);
  const buffer = (what: string, members: readonly number[], dtype: 'int' | 'float' = 'int') =>
    builder.own(what, [microBatch, (seqLen / layout.cp) * members.length], dtype);
  const placesOf = (members: readonly number[], of: string): PlaceBuffers => ({
    members,
    positions: buffer(`positions${of}`, members),
    documents: buffer(`documents${of}`, members),
  });
  const keysOf = (of: string) =>
    has('block')
      ? Object.fromEntries(
          foreignBlocks(layout).map((block) => [block, placesOf(blocks[block]!, ` of keys ${block}${of}`)]),
        )
      : {};
  const places = (of: string) => ({ ...placesOf(own, of), keys: keysOf(of) });
  const shared = packed ? undefined : places('');
  return Array.from(
    { length: microbatches },
    (_, m): TokenBuffers => ({
      ...(has('embedding') ? { ids: buffer(`ids ${m}`, own) } : {}),
      ...(shared ?? places(` ${m}`)),
      ...(has('head') && end !== 'logits'
        ? { targets: buffer(`targets ${m}`, own), weights: buffer(`weights ${m}`, own, 'float') }
        : {}),
      ...(has('head') && end === 'loss' && preference ? pairBuffers(builder, microBatch, preference, m) : {}),
    }),
  );
}

/** Ranks of cp have them alike. */
const pairBuffers = (builder: ProgramBuilder, microBatch: number, { pairs }: PreferenceSettings, m: number) => ({
  reference: builder.own(`reference ${m}`, [microBatch, pairs, 2]),
  pairWeights: builder.own(`pairs ${m}`, [microBatch, pairs]),
});

/** What parts of the model read of a microbatch's tokens, by the names of their inputs. */
export function tokenInputs({ ids, positions, documents, keys }: TokenBuffers): Bindings {
  const ofKeys = Object.entries(keys).flatMap(([block, each]) => {
    const names = keyPlaceNames(Number(block));
    return [
      [names.positions, each.positions],
      [names.documents, each.documents],
    ] as const;
  });
  return { ...(ids === undefined ? {} : { ids }), positions, documents, ...Object.fromEntries(ofKeys) };
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
