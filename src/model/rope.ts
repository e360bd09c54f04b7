// The angle per position of each feature pair of a rotary embedding, with the scalings Hugging Face configs name.
import { z } from 'zod';
import { fail } from '../errors.ts';

const positive = z.number().positive().nullish();
/** Below 1, features would turn the faster the slower they should. */
export const theta = z.number().min(1).nullish();

/** `rope_parameters` (transformers 5) or `rope_scaling` + `rope_theta` (before). Other keys belong to scalings we lack. */
export const ropeSchema = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: theta,
  factor: positive,
  low_freq_factor: positive,
  high_freq_factor: positive,
  original_max_position_embeddings: positive,
  /** The share of a head's features that is rotated: here all. */
  partial_rotary_factor: z.literal(1).nullish(),
});
export type RopeParameters = z.infer<typeof ropeSchema>;

/** headDim / 2 angles, fastest first; CONFIG_INVALID when the scaling is not supported or not whole. */
export function ropeFrequencies(headDim: number, parameters: RopeParameters, path: string): number[] {
  const refuse = (problem: string, fix: string): never => fail('CONFIG_INVALID', { path, problem, fix });
  const theta = parameters.rope_theta ?? refuse('rope_theta is missing', 'add it');
  const kind = parameters.rope_type ?? parameters.type ?? 'default';
  const scaling =
    scalings.get(kind) ?? refuse(`rope_type ${kind} is not supported`, `use ${[...scalings.keys()].join(', ')}`);
  const unknown = Object.keys(parameters).find((key) => !Object.hasOwn(ropeSchema.shape, key));
  if (unknown !== undefined)
    refuse(`rope parameter ${unknown} is not supported`, 'leave it out if the model does without it');
  const missing = scaling.needs.find((key) => parameters[key] == null);
  if (missing) refuse(`rope_type ${kind} needs ${missing}`, 'add it');
  if (!scaling.needs.includes('factor') && (parameters.factor ?? 1) !== 1)
    refuse(`rope_type ${kind} takes no factor`, 'name a rope_type that does, such as linear');
  const { low_freq_factor: low, high_freq_factor: high } = parameters;
  if (low && high && high <= low)
    refuse(`high_freq_factor ${high} is not above low_freq_factor ${low}`, 'use those of the model');
  const plain = Array.from({ length: headDim / 2 }, (_, pair) => theta ** (-(2 * pair) / headDim));
  const frequencies = scaling.apply(plain, parameters);
  if (!frequencies.every((frequency) => Number.isFinite(frequency)))
    refuse('its rope parameters give angles that are no numbers', 'use those of the model');
  return frequencies;
}

interface Scaling {
  readonly needs: readonly (keyof typeof ropeSchema.shape)[];
  readonly apply: (plain: readonly number[], parameters: RopeParameters) => number[];
}

const scalings: ReadonlyMap<string, Scaling> = new Map<string, Scaling>([
  ['default', { needs: [], apply: (plain) => [...plain] }],
  ['linear', { needs: ['factor'], apply: (plain, { factor }) => plain.map((frequency) => frequency / factor!) }],
  [
    'llama3',
    {
      needs: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
      apply: llama3,
    },
  ],
]);

/** Llama 3.1: long wavelengths are slowed by `factor`, short ones kept, those between blended. */
function llama3(plain: readonly number[], parameters: RopeParameters): number[] {
  const [factor, low, high] = [parameters.factor!, parameters.low_freq_factor!, parameters.high_freq_factor!];
  const length = parameters.original_max_position_embeddings!;
  return plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < length / high) return frequency;
    if (wavelength > length / low) return frequency / factor;
    const blend = (length / wavelength - low) / (high - low);
    return ((1 - blend) * frequency) / factor + blend * frequency;
  });
}
