// What an optimizer file holds beside the weights' own files: AdamW's moments (of each replica, where those have their own), the outer
// optimizer's momentum, and the exact weights when those files round them.
import { broken } from '../checkpoint/broken.ts';
import type { Checkpoint } from '../checkpoint/hf-directory.ts';
import { storedTensors } from '../checkpoint/shards.ts';
import type { ParamSpec } from '../model/params.ts';

export type Moment = 'first' | 'second';

/** Named as torch names them; `replica`: whose it is, where each has its own. */
export const momentName = (tensor: string, which: Moment, replica?: number): string =>
  `${tensor}.${which === 'first' ? 'exp_avg' : 'exp_avg_sq'}${replica === undefined ? '' : `.replica${replica}`}`;

/** The outer optimizer's, as torch names that of SGD. */
export const outerMomentumName = (tensor: string): string => `${tensor}.momentum_buffer`;

/** The tensor with the weights as they were trained. */
export const masterName = (tensor: string): string => `${tensor}.master`;

/**
 * Whether the optimizer's file holds a parameter unrounded.
 * @throws CHECKPOINT_BROKEN if it does not although the weights' file rounds it: the run would go on from other weights than its own.
 */
export function hasMaster(state: Checkpoint, weights: Checkpoint, spec: ParamSpec): boolean {
  const lacking = storedTensors(spec).filter(({ name }) => !state.has(masterName(name)));
  for (const { name } of lacking) {
    const dtype = weights.find(name)?.dtype;
    if (dtype === 'BF16' || dtype === 'F16')
      broken(state.path, `it holds ${name} rounded to ${dtype} and not as it was trained`);
  }
  return lacking.length === 0;
}

/** The spec of a parameter, pointing at the tensor that holds its moment. */
export const momentSpec = (spec: ParamSpec, which: Moment, replica?: number): ParamSpec => ({
  ...spec,
  tensor: { ...spec.tensor, name: momentName(spec.tensor.name, which, replica) },
});

/** The spec of a parameter, pointing at the tensor that holds its outer momentum. */
export const outerMomentumSpec = (spec: ParamSpec): ParamSpec => ({
  ...spec,
  tensor: { ...spec.tensor, name: outerMomentumName(spec.tensor.name) },
});

/** The spec of a parameter, pointing at the tensor that holds it unrounded. */
export const masterSpec = (spec: ParamSpec): ParamSpec => ({
  ...spec,
  tensor: { ...spec.tensor, name: masterName(spec.tensor.name) },
});
