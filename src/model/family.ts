// What a model family is: where its weights are, and how its config.json becomes a ModelConfig.
import { z } from 'zod';
import { fail } from '../errors.ts';
import type { ModelConfig } from './config.ts';

/** The matrices of an MLP. */
export interface MlpNames {
  readonly gate?: string;
  readonly up: string;
  readonly down: string;
}

/** Of a mixture of experts: a second `{}` is the expert's number. */
export interface MixtureNames extends MlpNames {
  readonly router: string;
  /** The expert that all tokens have, and the gate that weighs it, if there is one. */
  readonly shared?: MlpNames & { readonly router?: string };
}

/** Of latent attention. */
export interface LatentNames {
  readonly qDown: string;
  readonly qNorm: string;
  readonly qUp: string;
  readonly kvDown: string;
  readonly kvNorm: string;
  readonly kvUp: string;
}

/** Where the weights are in a checkpoint. `{}` is the layer's number; a `[i/n]` suffix is the i-th of n equal parts of the out dim. */
export interface TensorNames extends MlpNames {
  readonly embedding: string;
  readonly embeddingNorm?: string;
  readonly positions?: string;
  readonly norm1: string;
  readonly q: string;
  readonly k?: string;
  readonly v?: string;
  readonly latent?: LatentNames;
  readonly output: string;
  readonly postNorm1?: string;
  readonly norm2: string;
  readonly mixture?: MixtureNames;
  readonly qNorm?: string;
  readonly kNorm?: string;
  readonly sinks?: string;
  readonly postNorm2?: string;
  readonly finalNorm: string;
  readonly head: string;
}

export interface Family {
  readonly names: TensorNames;
  /**
   * The keys that are read, and what they may be.
   * @internal
   */
  readonly schema: z.ZodObject;
  /** Parses a config.json; `path` is for messages. */
  readonly parse: (json: Readonly<Record<string, unknown>>, path: string) => ModelConfig;
}

const upTo = (most: number) => z.number().int().positive().max(most);

/**
 * Sizes in a config.json: bounds far above any model's, far below what would take for ever to look at.
 * @internal The published types need none of zod's.
 */
export const size = {
  vocabulary: upTo(100_000_000),
  hidden: upTo(2 ** 20),
  layers: upTo(10_000),
  heads: upTo(2 ** 16),
  headDim: upTo(2 ** 16),
  mlp: upTo(2 ** 24),
  experts: upTo(2 ** 16),
  positions: upTo(2 ** 30),
  /** Some configs write 0 for none. */
  window: z
    .number()
    .int()
    .nonnegative()
    .max(2 ** 30),
} as const;

/** @internal */
export const epsilon = z.number().positive().max(1);
/** @internal */
export const deviation = z.number().positive().max(1000);

/**
 * The parsed JSON, or CONFIG_INVALID with the first thing wrong with it.
 * @internal
 */
export function checked<T extends z.ZodType>(schema: T, json: unknown, path: string): z.infer<T> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  return fail('CONFIG_INVALID', {
    path,
    problem: [...issue.path, issue.message].join(': '),
    fix: 'use the config.json of a Hugging Face model',
  });
}

/**
 * Keys that a family's config.json has and that say nothing of its sizes.
 * @internal
 */
export const silent = (...keys: readonly string[]): z.ZodRawShape =>
  Object.fromEntries(keys.map((key) => [key, z.unknown().optional()]));

export const unsupported = (path: string, key: string, given: string, allowed: string): never =>
  fail('CONFIG_INVALID', { path, problem: `${key} ${given} is not supported`, fix: `use ${allowed}` });
