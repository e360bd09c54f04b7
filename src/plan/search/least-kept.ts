// Numbers that a layer keeps of a token between its passes at least, by what is computed anew: its input; also what products and attention make and
// what other ranks sent; also what elementwise ops make that products read.
import { kvSharded } from '../../model/block-params.ts';
import { mlpMatrices } from '../../model/config.ts';

import { type Kind, kindLayout, type SearchTask } from './task.ts';

/** On a rank, for each of the tokens that it multiplies. Of experts, whose rows follow from the data, nothing is counted. */
export function leastKept({ config, software }: SearchTask, kind: Kind): number {
  const { tp, sp, recompute } = kind;
  const { hiddenSize, heads, kvHeads, headDim, intermediateSize, activation, mixture } = config;
  const residual = sp ? hiddenSize / tp : hiddenSize;
  const isHalved = recompute === 'selective' && software.selects === 'every second product';
  if (recompute === 'full' || isHalved || config.latent) return residual;
  const inner = mixture ? 0 : intermediateSize / tp;
  const queries = (heads * headDim) / tp;
  const keys = kvSharded(config, kindLayout(kind)) ? (kvHeads * headDim) / tp : headDim;
  // What attention and the MLP read is whole on every rank of tp; of a mixture attention alone is counted.
  const read = (mixture ? 1 : 2) * hiddenSize;
  const made = 2 * residual + 2 * queries + 2 * keys + (mlpMatrices[activation].length - 1) * inner;
  const sent = sp && !software.gathersAgain ? read : 0;
  if (recompute === 'selective') return made + sent;
  return made + inner + (sp ? Math.max(sent, read / tp) : read);
}
