// Where AdamW's moments lie in an optimizer file.
import type { ParamSpec } from '../model/params.ts';

export type Moment = 'first' | 'second';

/** Named as torch names them. */
export const momentName = (tensor: string, which: Moment): string =>
  `${tensor}.${which === 'first' ? 'exp_avg' : 'exp_avg_sq'}`;

/** The spec of a parameter, pointing at the tensor that holds its moment. */
export const momentSpec = (spec: ParamSpec, which: Moment): ParamSpec => ({
  ...spec,
  tensor: { ...spec.tensor, name: momentName(spec.tensor.name, which) },
});
