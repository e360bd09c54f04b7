// Model families: a table of names and switches. A new family is one entry.
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { ModelConfig } from './config.ts';
import { checked, type Family, type TensorNames } from './family.ts';
import { gpt2 } from './gpt2.ts';
import { llamaFamily, qkNormNames } from './llama-like.ts';

/** Families by `model_type`. */
export const families: Readonly<Record<string, Family>> = {
  gpt2,
  llama: llamaFamily((raw) => ({
    qkvBias: raw.attention_bias,
    outputBias: raw.attention_bias,
    qkNorm: false,
    windowed: false,
  })),
  mistral: llamaFamily(() => ({ qkvBias: false, outputBias: false, qkNorm: false, windowed: true })),
  qwen2: llamaFamily(() => ({
    qkvBias: true,
    outputBias: false,
    qkNorm: false,
    windowed: false,
  })),
  qwen3: llamaFamily(
    (raw) => ({
      qkvBias: raw.attention_bias,
      outputBias: raw.attention_bias,
      qkNorm: true,
      windowed: false,
    }),
    qkNormNames,
  ),
};

/** Reads a Hugging Face config.json; FAMILY_UNSUPPORTED or CONFIG_INVALID with the fix. */
export function parseModelConfig(json: unknown, path: string): ModelConfig {
  const { model_type: family } = checked(z.looseObject({ model_type: z.string() }), json, path);
  const known =
    families[family] ?? fail('FAMILY_UNSUPPORTED', { path, family, allowed: Object.keys(families).join(', ') });
  return known.parse(json as Record<string, unknown>, path);
}

export const tensorNames = (config: ModelConfig): TensorNames => families[config.family]!.names;
