// A selection that keeps one of every two products (TorchTitan), where the program's keeps all: of q, k, v, output, gate, up and down the
// second, the fourth and the sixth are taken anew.
import { kvSharded } from '../../model/block-params.ts';
import { mlpMatrices } from '../../model/config.ts';
import type { Software } from '../software/software.ts';
import type { TrainingScenario } from './scenario.ts';

type Selecting = Pick<TrainingScenario, 'config' | 'layout' | 'software'>;

const isHalved = ({ software }: Pick<Selecting, 'software'>): boolean => software.selects === 'every second product';

/**
 * Numbers of a token that a layer with a selection leaves out of what the program's keeps. The seventh product is kept by an interpreter alone:
 * nobody reads it.
 */
export function notSelected({ config, layout, software }: Selecting): number {
  if (!isHalved({ software })) return 0;
  const keys = (config.kvHeads * config.headDim) / (kvSharded(config, layout) ? layout.tp : 1);
  const residual = config.hiddenSize / (layout.sp ? layout.tp : 1);
  const isGated = mlpMatrices[config.activation].length === 3;
  const up = isGated ? config.intermediateSize / layout.tp : 0;
  const unread = isGated && software.launches === 'interpreted' ? residual : 0;
  return keys + residual + up - unread;
}

/** Whether what is selected changes what kernels cost: products that are taken anew, and scores that are written. */
export const selectionTakesLonger = ({ selects, attention }: Software): boolean =>
  selects !== 'products' || attention === 'scores';

/** By which products of a selection take longer: each is taken once forward and twice backward. */
export function productsAgain({ config, software }: Pick<Selecting, 'config' | 'software'>): number {
  const { heads, kvHeads, headDim, hiddenSize, intermediateSize, activation } = config;
  if (!isHalved({ software })) return 1;
  const [queries, keys] = [heads * headDim, kvHeads * headDim];
  const wide = Array<number>(mlpMatrices[activation].length).fill(intermediateSize);
  const widths = [queries, keys, keys, hiddenSize, ...wide];
  const sum = (all: readonly number[]): number => all.reduce((total, width) => total + width, 0);
  return 1 + sum(widths.filter((_, at) => at % 2 === 1)) / sum(widths) / 3;
}
