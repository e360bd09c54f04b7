// The devices of an instance on the grid of ranks: a stage's are side by side, tensor-parallel neighbours first.
import type { Mesh } from '../../mesh/mesh.ts';
import type { ServingLayout } from './scenario.ts';

/** Experts are shared out by ranks that are on other axes already. */
export const meshOf = ({ tp, cp, dp, pp }: ServingLayout): Mesh => ({ tp, cp, ep: 1, dp, pp });
