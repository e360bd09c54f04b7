// The model of a training row: a known one by its name, or one of its kind, with the sizes that the row gives.
import type { ModelConfig } from '../../model/config.ts';
import { parseModelConfig } from '../../model/families.ts';
import { matrixWeights } from '../../model/weights.ts';
import { namedModel } from './named-models.ts';
import type { RowFacts } from './row-facts.ts';
import { numberIn, type Row } from './table.ts';

type Json = Readonly<Record<string, unknown>>;

/** What a kind of model calls its sizes. */
interface SizeKeys {
  readonly layers: string;
  readonly hidden: string;
  readonly heads: string;
  readonly kvHeads?: string;
  readonly ffn: string;
  readonly positions: string;
}

const gptKeys: SizeKeys = {
  layers: 'n_layer',
  hidden: 'n_embd',
  heads: 'n_head',
  ffn: 'n_inner',
  positions: 'n_positions',
};
const llamaKeys: SizeKeys = {
  layers: 'num_hidden_layers',
  hidden: 'hidden_size',
  heads: 'num_attention_heads',
  kvHeads: 'num_key_value_heads',
  ffn: 'intermediate_size',
  positions: 'max_position_embeddings',
};

/** Models that rows describe by their sizes alone; Megatron pads GPT's vocabulary to 51,200. */
const kinds: readonly { readonly says: RegExp; readonly base: Json }[] = [
  { says: /^(?!.*oss).*(gpt|mpt|megatron|turing)/i, base: { model_type: 'gpt2', vocab_size: 51200 } },
  { says: /llama/i, base: { model_type: 'llama', vocab_size: 32000 } },
];

/** Sizes of experts that stand in a row's words. */
const expertWords: readonly { readonly key: string; readonly says: RegExp }[] = [
  { key: 'num_experts', says: /\bMoE (\d+)\b|\bexperts=(\d+)/ },
  { key: 'num_experts_per_tok', says: /\btop ?-?k?=?(\d+)/ },
  { key: 'moe_intermediate_size', says: /\bmoe_ffn (\d+)/ },
  { key: 'head_dim', says: /\bhead_dim (\d+)/ },
  { key: 'first_k_dense_replace', says: /\bdense_layers=(\d+)/ },
];

/** The model, or why there is none. */
export function modelOf(row: Row, { vocabulary }: Pick<RowFacts, 'vocabulary'>): ModelConfig | string {
  const name = row.model ?? '';
  const base: Json | undefined = namedModel(name) ?? kinds.find(({ says }) => says.test(name))?.base;
  if (base === undefined) return `the sizes of ${name || 'its model'} are not known`;
  const keys = base.model_type === 'gpt2' ? gptKeys : llamaKeys;
  const json = withSizes(base, row, keys, vocabulary);
  const missing = (['layers', 'hidden', 'heads'] as const).find((size) => json[keys[size]] === undefined);
  if (missing) return `it does not say its ${missing}`;
  return tied(parseModelConfig(json, name), numberIn(row, 'params_b'));
}

function withSizes(base: Json, row: Row, keys: SizeKeys, vocabulary: RowFacts['vocabulary']): Json {
  const json: Record<string, unknown> = { ...base };
  const set = (key: string | undefined, value: number | undefined): void => {
    if (key !== undefined && value !== undefined) json[key] = value;
  };
  set(keys.layers, numberIn(row, 'layers'));
  set(keys.hidden, numberIn(row, 'hidden'));
  set(keys.heads, numberIn(row, 'heads'));
  set(keys.kvHeads, numberIn(row, 'kv_heads'));
  set(keys.ffn, numberIn(row, 'ffn'));
  set('vocab_size', sharedWords(vocabulary, json, row));
  set(keys.positions, numberIn(row, 'seq_len'));
  if (json[keys.ffn] === undefined) set(keys.ffn, 4 * Number(json[keys.hidden]));
  for (const { key, says } of expertWords) {
    const found = says.exec(row.extra ?? '');
    if (found && Object.hasOwn(json, key)) set(key, Number(found[1] ?? found[2]));
  }
  return json;
}

/** Frameworks pad a vocabulary, as products of odd sizes are slow. */
function sharedWords(how: RowFacts['vocabulary'], known: Json, row: Row): number | undefined {
  const said = numberIn(row, 'vocab');
  const words =
    said ?? (how === 'padded by rank' && known.vocab_size !== undefined ? Number(known.vocab_size) : undefined);
  if (words === undefined) return undefined;
  const ranks = numberIn(row, 'tp') ?? 1;
  if (how === 'cut') return ranks * Math.floor(words / ranks);
  const multiple = how === 'padded by rank' ? 128 * ranks : 128;
  return multiple * Math.ceil(words / multiple);
}

/** Where the number of parameters is given and no config.json says it, whether the head is the embedding follows from it. */
function tied(config: ModelConfig, billions: number | undefined): ModelConfig {
  if (billions === undefined || config.source.tie_word_embeddings !== undefined) return config;
  const shared = matrixWeights(config);
  const apart = shared + config.vocabSize * config.hiddenSize;
  const off = (weights: number): number => Math.abs(weights - billions * 1e9);
  return { ...config, tiedHead: off(shared) <= off(apart) };
}
