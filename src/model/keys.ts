// What the keys of a config.json mean to us, besides those that a family reads: harmless, dropout, or refused unless they ask for
// nothing. What is in no list is reported, so that new keys of transformers break nothing and hide nothing.
import { fail, option } from '../errors.ts';

/** Keys that change no number of the model, by what they are about. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  metadata: [
    'model_type',
    'architectures',
    'transformers_version',
    'dtype',
    'torch_dtype',
    'finetuning_task',
    'task_specific_params',
  ],
  tokens: [
    'bos_token_id',
    'eos_token_id',
    'pad_token_id',
    'sep_token_id',
    'unk_token_id',
    'decoder_start_token_id',
    'tokenizer_class',
    'prefix',
  ],
  generation: [
    'use_cache',
    'cache_implementation',
    'max_length',
    'min_length',
    'do_sample',
    'early_stopping',
    'num_beams',
    'num_beam_groups',
    'diversity_penalty',
    'temperature',
    'top_k',
    'top_p',
    'typical_p',
    'repetition_penalty',
    'length_penalty',
    'no_repeat_ngram_size',
    'encoder_no_repeat_ngram_size',
    'bad_words_ids',
    'num_return_sequences',
    'forced_bos_token_id',
    'forced_eos_token_id',
    'remove_invalid_values',
    'exponential_decay_length_penalty',
    'suppress_tokens',
    'begin_suppress_tokens',
  ],
  outputs: [
    'output_attentions',
    'output_hidden_states',
    'output_scores',
    'return_dict',
    'return_dict_in_generate',
    'torchscript',
  ],
  /** Of heads for other tasks than the next token. */
  tasks: [
    'summary_activation',
    'summary_first_dropout',
    'summary_proj_to_labels',
    'summary_type',
    'summary_use_proj',
    'classifier_dropout',
    'problem_type',
    'id2label',
    'label2id',
    'num_labels',
  ],
  /** How, not what, is computed. */
  computing: [
    'pretraining_tp',
    'chunk_size_feed_forward',
    'reorder_and_upcast_attn',
    'attn_implementation',
    'use_bfloat16',
    'tf_legacy_loss',
    'gradient_checkpointing',
  ],
  /** Read by nothing while use_sliding_window is false, or output_router_logits; GPT-2's second name for n_positions. */
  unused: ['max_window_layers', 'router_aux_loss_coef', 'n_ctx'],
};
const harmlessKeys = new Set(Object.values(harmless).flat());

/** Regularisation while training; computes nothing otherwise. */
const dropoutKeys: ReadonlySet<string> = new Set([
  'attention_dropout',
  'hidden_dropout',
  'residual_dropout',
  'embedding_dropout',
  'dropout',
  'resid_pdrop',
  'embd_pdrop',
  'attn_pdrop',
]);

/** Values that a key may have, besides null: those at which the model is the one we compute. */
export type FixedKeys = Readonly<Record<string, readonly unknown[]>>;

/** Keys of other models, or of variants, that would change the numbers of every family. */
const fixedEverywhere: FixedKeys = {
  add_cross_attention: [false],
  attention_chunk_size: [],
  attention_multiplier: [],
  auto_map: [],
  compression_config: [],
  cross_attention_hidden_size: [],
  embedding_multiplier: [1],
  is_decoder: [false, true],
  is_encoder_decoder: [false],
  logit_scale: [1],
  logits_scaling: [1],
  moe_intermediate_size: [],
  n_routed_experts: [],
  new_decoder_architecture: [false],
  no_rope_layers: [],
  num_experts: [],
  num_local_experts: [],
  parallel_attn: [false],
  partial_rotary_factor: [1],
  pruned_heads: [{}],
  qk_layernorm: [false],
  query_pre_attn_scalar: [],
  residual_multiplier: [1],
  rope_interleave: [false],
  rope_interleaved: [false],
  rotary_pct: [1],
  scale_depth: [],
  scale_emb: [1],
  sliding_window_pattern: [],
  tie_encoder_decoder: [false],
  use_bidirectional_attention: [false],
  use_mrope: [false],
  use_parallel_residual: [false],
  use_qk_norm: [false],
};

/** Keys that change numbers but no size: models whose value is another one are planned for alone, as what each of them says is missing. */
const planOnlyKeys: Readonly<Record<string, { readonly without: readonly unknown[]; readonly lack: string }>> = {
  alibi: { without: [false], lack: 'its attention is biased by distance' },
  attn_logit_softcapping: { without: [], lack: 'its scores of attention are capped' },
  clip_qkv: { without: [], lack: 'its queries, keys and values are clipped' },
  final_logit_softcapping: { without: [], lack: 'its logits are capped' },
  quantization_config: { without: [], lack: 'its weights are quantised' },
};

export interface KeyNotes {
  /** What the program lacks, if anything. */
  readonly planOnly?: string;
  /** Keys that nobody here knows; the model may or may not need them. */
  readonly ignored: readonly string[];
  /** Dropout asked for, e.g. `resid_pdrop=0.1`. */
  readonly dropout: readonly string[];
}

/** Whether `key` is a dropout's. */
export const isDropout = (key: string): boolean => dropoutKeys.has(key);

/** Judges every key; CONFIG_INVALID for one that asks for what is not implemented. */
export function judgeKeys(
  json: Readonly<Record<string, unknown>>,
  { read, fixed, path }: { readonly read: readonly string[]; readonly fixed: FixedKeys; readonly path: string },
): KeyNotes {
  const known = new Set(read);
  const everywhere = Object.entries(fixedEverywhere).filter(([key]) => !known.has(key));
  const allowed = new Map([...everywhere, ...Object.entries(fixed)]);
  const ignored: string[] = [];
  const dropout: string[] = [];
  const lacks: string[] = [];
  for (const [key, value] of Object.entries(json)) {
    const changes = Object.hasOwn(planOnlyKeys, key) ? planOnlyKeys[key] : undefined;
    if (changes && !fixed[key]) {
      if (!isAmong(changes.without, value)) lacks.push(changes.lack);
      continue;
    }
    const values = allowed.get(key);
    if (values) {
      checkFixed(key, value, values, path);
      continue;
    }
    if (dropoutKeys.has(key)) {
      if (value !== null && (typeof value !== 'number' || value < 0 || value >= 1))
        refuse(path, `${key} is a probability, not ${JSON.stringify(value)}`, 'use a number from 0 up to 1');
      if (value) dropout.push(`${key}=${value}`);
      continue;
    }
    // Names that begin with _ are transformers' own notes.
    if (!known.has(key) && !harmlessKeys.has(key) && !key.startsWith('_')) ignored.push(key);
  }
  return { ...(lacks.length > 0 ? { planOnly: lacks.join(', ') } : {}), ignored, dropout };
}

const isAmong = (values: readonly unknown[], value: unknown): boolean =>
  value === null || values.some((each) => JSON.stringify(each) === JSON.stringify(value));

function checkFixed(key: string, value: unknown, values: readonly unknown[], path: string): void {
  if (isAmong(values, value)) return;
  const given = JSON.stringify(value);
  const [first] = values;
  refuse(
    path,
    `${key} ${given.length > 40 ? `${given.slice(0, 40)}…` : given} is not supported`,
    first === undefined ? 'leave it out if the model does without it' : `use ${JSON.stringify(first)}`,
  );
}

const refuse = (path: string, problem: string, fix: string): never => fail('CONFIG_INVALID', { path, problem, fix });

/**
 * Refuses to train with dropout, which is not implemented: generating needs none. Published configs (GPT-2's) ask for it, so the
 * one who trains has to say that none is wanted.
 */
export function refuseDropout({
  family,
  dropout,
}: {
  readonly family: string;
  readonly dropout: readonly string[];
}): void {
  if (dropout.length === 0) return;
  fail('CONFIG_INVALID', {
    path: `the ${family} config`,
    problem: `it asks for dropout (${dropout.join(', ')}), and training here applies none`,
    fix: `train without it: ${dropout.map((each) => `${option('set')} ${each.replace(/=.*/, '=0')}`).join(' ')}`,
  });
}
