// Models by name, as the config.json they would have: small ones to train from scratch, and real ones to plan for. Weights are none: to
// be trained, those with the vocabulary of a published tokenizer are to be given with it (tokenizer.json of the model on huggingface.co).
import { gpts } from './named/gpts.ts';
import { llamas } from './named/llamas.ts';
import type { Named } from './named/named.ts';
import { others } from './named/others.ts';
import { qwens } from './named/qwens.ts';

const llama = (sizes: {
  hidden: number;
  layers: number;
  heads: number;
  kvHeads: number;
  mlp: number;
  vocab: number;
}) => ({
  model_type: 'llama',
  architectures: ['LlamaForCausalLM'],
  vocab_size: sizes.vocab,
  hidden_size: sizes.hidden,
  num_hidden_layers: sizes.layers,
  num_attention_heads: sizes.heads,
  num_key_value_heads: sizes.kvHeads,
  intermediate_size: sizes.mlp,
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 2048,
  initializer_range: 0.02,
  tie_word_embeddings: true,
});

/** The byte tokenizer's 256 bytes and end of text, padded to a multiple of 64. */
const byteVocabulary = 320;

/** A preset by a name from outside. */
export const findPreset = (name: string): Readonly<Record<string, unknown>> | undefined =>
  Object.hasOwn(presets, name) ? presets[name] : undefined;

/** Some of each size: small enough to train here, and one to start from. */
export const namesToTry = ['llama-tiny', 'llama-small', 'llama-medium', 'mixtral-tiny', 'gpt2', 'qwen3-0.6b'] as const;

/** The names most like one that there is not, the likest first. */
export function nearNames(name: string): string[] {
  const wanted = pairsOf(name);
  const likeness = (other: string) => {
    const pairs = pairsOf(other);
    const shared = [...pairs].filter((pair) => wanted.has(pair)).length;
    return (2 * shared) / (pairs.size + wanted.size);
  };
  return Object.keys(presets)
    .map((other) => [other, likeness(other)] as const)
    .filter(([, alike]) => alike >= 0.4)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 5)
    .map(([other]) => other);
}

/** Letters and digits side by side, with the first and the last. */
function pairsOf(name: string): ReadonlySet<string> {
  const text = ` ${name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')} `;
  return new Set(Array.from({ length: text.length - 1 }, (_, at) => text.slice(at, at + 2)));
}

export const presets: Named = {
  'llama-tiny': llama({ hidden: 128, layers: 4, heads: 4, kvHeads: 2, mlp: 352, vocab: byteVocabulary }),
  'llama-small': llama({ hidden: 256, layers: 6, heads: 8, kvHeads: 4, mlp: 704, vocab: byteVocabulary }),
  'llama-medium': llama({ hidden: 512, layers: 8, heads: 8, kvHeads: 8, mlp: 1408, vocab: byteVocabulary }),
  'mixtral-tiny': {
    ...llama({ hidden: 128, layers: 4, heads: 4, kvHeads: 2, mlp: 176, vocab: byteVocabulary }),
    model_type: 'mixtral',
    architectures: ['MixtralForCausalLM'],
    num_local_experts: 8,
    num_experts_per_tok: 2,
  },
  ...gpts,
  ...llamas,
  ...qwens,
  ...others,
};
