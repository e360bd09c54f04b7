// The text of a checkpoint's config.json.
import { configDtypes, type WeightsType } from './plan.ts';

/** Keys whose values transformers takes only if they are written as real numbers: 0.0, where JavaScript writes 0. */
const realKeys = [
  'attention_factor',
  'initializer_range',
  'layer_norm_epsilon',
  'rms_norm_eps',
  'router_aux_loss_coef',
  'router_jitter_noise',
];
/** In text with a line for each key. No string in JSON spans lines. */
const wholeNumber = new RegExp(`^( *"(?:${realKeys.join('|')})": -?\\d+)(?=,?$)`, 'gm');

/** The model's config.json, naming the type that its weights are saved in, whatever it was trained from. */
export function configText(source: Readonly<Record<string, unknown>>, type: WeightsType): string {
  const { torch_dtype: _, ...rest } = source;
  const text = JSON.stringify({ ...rest, dtype: configDtypes[type] }, null, 2);
  return `${text.replace(wholeNumber, '$1.0')}\n`;
}
