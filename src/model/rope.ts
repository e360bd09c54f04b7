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
  beta_fast: positive,
  beta_slow: positive,
  truncate: z.boolean().nullish(),
  attention_factor: positive,
  mscale: positive,
  mscale_all_dim: positive,
  /** The share of a head's features that is rotated. */
  partial_rotary_factor: z.number().positive().max(1).nullish(),
});
export type RopeParameters = z.infer<typeof ropeSchema>;

export interface Rope {
  /** An angle for every pair of features, fastest first. */
  readonly frequencies: readonly number[];
  /** What rotated features are multiplied by besides. */
  readonly amplitude: number;
}

/** Of `features` that are rotated; CONFIG_INVALID when the scaling is not supported or not whole. */
export function readRope(features: number, parameters: RopeParameters, path: string): Rope {
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
  const plain = Array.from({ length: features / 2 }, (_, pair) => theta ** (-(2 * pair) / features));
  const frequencies = scaling.apply(plain, parameters);
  if (!frequencies.every((frequency) => Number.isFinite(frequency)))
    refuse('its rope parameters give angles that are no numbers', 'use those of the model');
  return { frequencies, amplitude: kind === 'yarn' ? amplitudeOf(parameters) : 1 };
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
  ['yarn', { needs: ['factor', 'original_max_position_embeddings'], apply: yarn }],
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

/** YaRN (Peng et al., 2023): features that turn often within the original length keep their angle, those that do not are slowed by `factor`. */
function yarn(plain: readonly number[], parameters: RopeParameters): number[] {
  const { original_max_position_embeddings: length, factor, rope_theta: theta, truncate } = parameters;
  const { beta_fast: fast, beta_slow: slow } = parameters;
  /** The pair that turns so often. */
  const pairOf = (turns: number) => (plain.length * Math.log(length! / (turns * 2 * Math.PI))) / Math.log(theta!);
  const [low, high] = [pairOf(fast ?? 32), pairOf(slow ?? 1)];
  const whole = truncate ?? true;
  const first = Math.max(0, whole ? Math.floor(low) : low);
  const last = Math.min(2 * plain.length - 1, whole ? Math.ceil(high) : high);
  return plain.map((frequency, pair) => {
    const slowed = Math.min(1, Math.max(0, (pair - first) / (last === first ? 0.001 : last - first)));
    return frequency * (1 - slowed) + (frequency / factor!) * slowed;
  });
}

/** YaRN's factor for longer texts: attention sharpens with the logarithm of how much longer they are. */
const sharpening = (factor: number, by: number): number => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);

function amplitudeOf({ attention_factor, factor, mscale, mscale_all_dim: all }: RopeParameters): number {
  if (attention_factor) return attention_factor;
  return sharpening(factor!, mscale && all ? mscale : 1) / (mscale && all ? sharpening(factor!, all) : 1);
}

/** What DeepSeek's models multiply all scores by. */
export const scoreSharpening = ({ rope_type, type, factor, mscale_all_dim: all }: RopeParameters): number =>
  (rope_type ?? type ?? 'default') === 'default' || !all ? 1 : sharpening(factor ?? 1, all) ** 2;
