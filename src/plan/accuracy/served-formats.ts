// Formats of numbers that a served row's model had, by what the row calls them and what its engine does.
import type { ModelConfig } from '../../model/config.ts';
import type { EngineName } from '../serving/engines.ts';
import type { ServingFormats } from '../serving/scenario.ts';
import type { Row } from './table.ts';

/** The formats, or why there are none. Checkpoints of mixtures that are narrower than 8 bits have narrow experts alone. */
export function servedFormats(row: Row, engine: EngineName, model: ModelConfig): ServingFormats | string {
  const written = (row.precision ?? row.gemm_quant_mode ?? 'bf16').toLowerCase();
  const cache = narrowCache(row, engine, model) ? 'fp8' : 'bf16';
  const common = { activations: 'bf16', cache } as const;
  // Its experts are published in four bits alone, whatever a row calls it.
  if (model.family === 'gpt_oss') return { ...common, weights: 'bf16', experts: 'mxfp4' };
  if (written.includes('bf16')) return { ...common, weights: 'bf16', cache: 'bf16' };
  if (written.includes('fp16')) return { weights: 'fp16', cache: 'fp16', activations: 'fp16' };
  if (written.includes('fp8')) return { ...common, weights: 'fp8' };
  const narrow = written.includes('fp4') ? 'nvfp4' : written.includes('int4') ? 'int4' : undefined;
  if (narrow === undefined) return `its format ${written} is not known`;
  if (!model.mixture) return { ...common, weights: narrow };
  if (narrow === 'int4') return { ...common, weights: 'bf16', experts: narrow };
  return { ...common, weights: narrow, attentionWeights: 'bf16' };
}

/**
 * Keys and values of 8 bits: SGLang on Blackwell, and TensorRT-LLM where its recipes or a checkpoint say so, which on Hopper those of mixtures do
 * not (what it publishes of them is what half the room gives).
 */
function narrowCache({ gpu = '', model: name = '' }: Row, engine: EngineName, { mixture }: ModelConfig): boolean {
  const isBlackwell = /b[23]00|rtx pro 6000/i.test(gpu);
  if (/fp8-kv/i.test(name)) return true;
  if (engine === 'trtllm') return isBlackwell || !mixture;
  return engine === 'sglang' && isBlackwell;
}
