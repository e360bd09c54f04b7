// Models that rows name, among those that are known by name.
import { findPreset } from '../../model/presets.ts';

/** As tables write them: what stands between words and digits does not count. The first that matches. */
const names: readonly { readonly says: RegExp; readonly name: string }[] = [
  { says: /deepseek-?(v3|r1)/, name: 'deepseek-v3' },
  { says: /deepseek-?v2-?lite/, name: 'deepseek-v2-lite' },
  { says: /deepseek-?v2/, name: 'deepseek-v2' },
  { says: /kimi-?k2/, name: 'kimi-k2' },
  { says: /glm-?5/, name: 'glm-5' },
  { says: /minimax-?m2/, name: 'minimax-m2' },
  { says: /gpt-?oss-?120b/, name: 'gpt-oss-120b' },
  { says: /gpt-?oss-?20b/, name: 'gpt-oss-20b' },
  { says: /qwen3.*235b/, name: 'qwen3-235b-a22b' },
  { says: /qwen3-?32b/, name: 'qwen3-32b' },
  { says: /qwen3.*30b/, name: 'qwen3-30b-a3b' },
  { says: /mixtral-?8x22b/, name: 'mixtral-8x22b' },
  { says: /mixtral-?8x7b/, name: 'mixtral-8x7b' },
  { says: /grok-?1/, name: 'grok-1' },
  { says: /llama-?v?4-?maverick/, name: 'llama-4-maverick' },
  { says: /llama-?v?4-?scout/, name: 'llama-4-scout' },
  { says: /nemotron-?4-?15b/, name: 'nemotron-4-15b' },
  { says: /nemotron-?4-?340b/, name: 'nemotron-4-340b' },
  { says: /llama-?v?3.*405b/, name: 'llama-3.1-405b' },
  { says: /llama-?v?3.*70b/, name: 'llama-3.1-70b' },
  { says: /llama-?v?3.*8b/, name: 'llama-3.1-8b' },
  { says: /llama-?2-?7b/, name: 'llama-2-7b' },
  { says: /llama-?2-?13b/, name: 'llama-2-13b' },
  { says: /llama-?2-?70b/, name: 'llama-2-70b' },
  { says: /gpt-?3-?175b/, name: 'gpt3-175b' },
];

/** What is in no table of the planner: models that rows name, by their config.json. */
const others: readonly { readonly says: RegExp; readonly config: Readonly<Record<string, unknown>> }[] = [
  {
    says: /internlm-?7b/,
    config: {
      model_type: 'llama',
      vocab_size: 103168,
      hidden_size: 4096,
      intermediate_size: 11008,
      num_hidden_layers: 32,
      num_attention_heads: 32,
      tie_word_embeddings: false,
    },
  },
  {
    says: /internlm-?20b/,
    config: {
      model_type: 'llama',
      vocab_size: 103168,
      hidden_size: 5120,
      intermediate_size: 13824,
      num_hidden_layers: 60,
      num_attention_heads: 40,
      tie_word_embeddings: false,
    },
  },
];

/** The config.json of the model that a table names so; undefined: none that is known. */
export function namedModel(written: string): Readonly<Record<string, unknown>> | undefined {
  const plain = written.toLowerCase().replace(/[_\s./]+/g, '-');
  const found = names.find(({ says }) => says.test(plain));
  return found ? findPreset(found.name) : others.find(({ says }) => says.test(plain))?.config;
}
