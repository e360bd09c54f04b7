// The config.json of a mixture of experts of the same size.
import { tinyLlama } from './tiny-llama.ts';

export const tinyMixtral = {
  ...tinyLlama,
  model_type: 'mixtral',
  intermediate_size: 24,
  num_local_experts: 4,
  num_experts_per_tok: 2,
};
