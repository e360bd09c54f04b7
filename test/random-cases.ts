// Random small models and layouts that fit each other, for properties over both.
import fc from 'fast-check';
import { type Layout, oneRank, printLayout } from '../src/mesh/layout.ts';
import { worldSize } from '../src/mesh/mesh.ts';
import { parseModelConfig } from '../src/model/families.ts';
import type { StepSettings } from '../src/step/settings.ts';

export const familyNames = ['gpt2', 'gemma', 'llama', 'mistral', 'qwen2', 'qwen3'] as const;
export type FamilyName = (typeof familyNames)[number];

/** What differs between small models. */
export interface SmallModel {
  readonly family: FamilyName;
  readonly heads: number;
  readonly kvHeads: number;
  /** Even. */
  readonly headDim: number;
  readonly hidden: number;
  readonly mlp: number;
  readonly vocab: number;
  readonly layers: number;
  readonly tied: boolean;
  /** Where the family leaves it open. */
  readonly biases: boolean;
  readonly window: number;
}

/** Its config.json. GPT-2 has as many key-value heads as heads and a hidden size of all of them. */
export function configJson(model: SmallModel): Record<string, unknown> {
  if (model.family === 'gpt2')
    return {
      model_type: 'gpt2',
      vocab_size: model.vocab,
      n_embd: model.heads * model.headDim,
      n_layer: model.layers,
      n_head: model.heads,
      n_positions: 32,
      n_inner: model.mlp,
      tie_word_embeddings: model.tied,
    };
  return {
    model_type: model.family,
    vocab_size: model.vocab,
    hidden_size: model.hidden,
    num_hidden_layers: model.layers,
    num_attention_heads: model.heads,
    num_key_value_heads: model.kvHeads,
    head_dim: model.headDim,
    intermediate_size: model.mlp,
    max_position_embeddings: 64,
    tie_word_embeddings: model.tied,
    ...(['gemma', 'llama', 'qwen3'].includes(model.family) ? { attention_bias: model.biases } : {}),
    ...(model.family === 'llama' ? { mlp_bias: model.biases } : {}),
    ...(model.family === 'mistral' ? { sliding_window: model.window } : {}),
  };
}

export interface Case {
  readonly model: SmallModel;
  readonly layout: Layout;
  readonly seqLen: number;
  readonly microBatch: number;
  /** On each data-parallel rank. */
  readonly microbatches: number;
}

/** One line a person can type again. */
export function nameOf({ model, layout, ...shape }: Case): string {
  return `${printLayout(layout)} ${JSON.stringify(model)} ${JSON.stringify(shape)}`;
}

export const settingsOf = (
  { model, layout, seqLen, microBatch, microbatches }: Case,
  precision: StepSettings['precision'],
): StepSettings => ({
  config: parseModelConfig(configJson(model), model.family),
  layout,
  seqLen,
  microBatch,
  microbatches,
  precision,
});

/** The same work on one rank. */
export const onOneRank = (settings: StepSettings): StepSettings => ({
  ...settings,
  layout: oneRank,
  microbatches: settings.microbatches * settings.layout.dp,
});

const sizes = [1, 2, 3, 4, 5, 6, 7, 8];
const meshes = sizes
  .flatMap((tp) => sizes.flatMap((pp) => sizes.map((dp) => ({ ...oneRank, tp, pp, dp }))))
  .filter((mesh) => worldSize(mesh) <= 8 && worldSize(mesh) > 1 && mesh.pp <= 5);

/** `layers` cut into `parts` of at least one, by numbers that say where. */
function cutAt(layers: number, parts: number, random: readonly number[]): number[] {
  const stages = Array.from({ length: parts }, () => 1);
  for (let i = parts; i < layers; i++) stages[random[i]! % parts]! += 1;
  return stages;
}

/** Any of 1 to 8 ranks, heads and widths that tp divides, everything else free. */
export const anyCase: fc.Arbitrary<Case> = fc
  .record({
    mesh: fc.constantFrom(...meshes),
    sp: fc.boolean(),
    schedule: fc.constantFrom('gpipe' as const, '1f1b' as const),
    uneven: fc.option(fc.array(fc.nat(100), { minLength: 5, maxLength: 5 })),
    family: fc.constantFrom(...familyNames),
    headsPerRank: fc.integer({ min: 1, max: 3 }),
    kvPick: fc.nat(100),
    headDim: fc.constantFrom(2, 4, 6),
    hidden: fc.integer({ min: 6, max: 24 }),
    mlpPerRank: fc.integer({ min: 1, max: 6 }),
    vocab: fc.integer({ min: 3, max: 40 }),
    moreLayers: fc.nat(4),
    tied: fc.boolean(),
    biases: fc.boolean(),
    window: fc.integer({ min: 2, max: 8 }),
    length: fc.integer({ min: 3, max: 12 }),
    microBatch: fc.integer({ min: 1, max: 2 }),
    microbatches: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ mesh, ...random }) => {
    const { tp, pp } = mesh;
    const wanted = tp * random.headsPerRank;
    const heads = wanted > 8 ? tp : wanted;
    const kvChoices = sizes.filter((kv) => heads % kv === 0 && (kv % tp === 0 || tp % kv === 0));
    const layers = Math.min(5, pp + random.moreLayers);
    // Two features leave a norm little but their signs.
    const tooFew =
      random.family === 'gpt2' ? heads * random.headDim < 6 : random.family === 'qwen3' && random.headDim < 4;
    const headDim = tooFew ? 6 : random.headDim;
    const sp = random.sp && tp > 1;
    const layout: Layout = {
      ...mesh,
      sp,
      schedule: random.schedule,
      ...(random.uneven === null ? {} : { stages: cutAt(layers, pp, random.uneven) }),
    };
    const seqLen = sp ? tp * Math.max(1, Math.round(random.length / tp)) : random.length;
    return {
      model: {
        family: random.family,
        heads,
        kvHeads: random.family === 'gpt2' ? heads : kvChoices[random.kvPick % kvChoices.length]!,
        headDim,
        hidden: random.hidden,
        mlp: tp * random.mlpPerRank,
        vocab: random.vocab,
        layers,
        tied: random.tied,
        biases: random.biases,
        window: random.window,
      },
      layout,
      seqLen: Math.max(2, seqLen),
      microBatch: random.microBatch,
      microbatches: random.microbatches,
    };
  });
