// The angle per position of each feature pair of a rotary embedding, with the scalings Hugging Face configs name.
import { z } from 'zod';

/** `rope_parameters` (transformers 5) or `rope_scaling` + `rope_theta` (before). */
export const ropeSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().optional(),
  factor: z.number().optional(),
  low_freq_factor: z.number().optional(),
  high_freq_factor: z.number().optional(),
  original_max_position_embeddings: z.number().optional(),
});
export type RopeParameters = z.infer<typeof ropeSchema>;

/** headDim / 2 angles, fastest first; undefined when the scaling is not supported. */
export function ropeFrequencies(headDim: number, theta: number, parameters: RopeParameters): number[] | undefined {
  const plain = Array.from({ length: headDim / 2 }, (_, pair) => theta ** (-(2 * pair) / headDim));
  const kind = parameters.rope_type ?? parameters.type ?? 'default';
  if (kind === 'default') return plain;
  const factor = parameters.factor ?? 1;
  if (kind === 'linear') return plain.map((frequency) => frequency / factor);
  if (kind !== 'llama3') return undefined;
  // Llama 3.1: long wavelengths are slowed by `factor`, short ones kept, those between blended.
  const {
    low_freq_factor: low = 1,
    high_freq_factor: high = 4,
    original_max_position_embeddings: length = 8192,
  } = parameters;
  return plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < length / high) return frequency;
    if (wavelength > length / low) return frequency / factor;
    const blend = (length / wavelength - low) / (high - low);
    return ((1 - blend) * frequency) / factor + blend * frequency;
  });
}
