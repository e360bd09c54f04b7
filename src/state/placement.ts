// How what a rank keeps from step to step lies over every axis: parameters, their gradients and the optimizer's moments.
//
// On the axes of the model (tp) all three lie as the parameter does. On the data axes, where parameters are replicated, ZeRO's
// levels decide: what is shared out there is flat, each rank holding its part of a bucket's vector (V0). What the outer optimizer keeps
// (see step/outer-step.ts) is needed at synchronisations alone, and always shared out over dp.
import { type Layout, withCopies, type Zero } from '../mesh/layout.ts';
import { type Coords, dataAxes, type Mesh } from '../mesh/mesh.ts';
import { dualTypes, mapTypes, type TypedAxis, type Types, varyingDim } from '../program/types.ts';

/** ZeRO's level where there is anybody to share with. */
export const zeroOf = (layout: Layout): Zero => {
  const all = withCopies(layout);
  return dataAxes.some((axis) => all[axis] > 1) ? layout.zero : 0;
};

export interface Placement {
  readonly param: Types;
  /** While microbatches add to it. */
  readonly gradient: Types;
  /** When it is complete: what the norm counts and the optimizer reads. */
  readonly finished: Types;
  readonly moments: Types;
  /** The outer optimizer's state: what is held of the parameters, shared out over dp. */
  readonly outer: Types;
}

const isData = (axis: TypedAxis): boolean => (dataAxes as readonly TypedAxis[]).includes(axis);

/** `types`: those of the parameters in a program. */
export function placementOf(types: Types, zero: Zero): Placement {
  const shared = (of: Types, from: Zero): Types =>
    zero < from ? of : mapTypes(of, (type, axis) => (isData(axis) && type !== 'V0' ? 'V0' : type));
  // A gradient still partial on an axis is summed over it.
  const complete = mapTypes(dualTypes(types), (type) => (type === 'P' ? 'I' : type));
  return {
    param: shared(types, 3),
    gradient: shared(dualTypes(types), 2),
    finished: shared(complete, 1),
    moments: shared(complete, 1),
    outer: mapTypes(shared(complete, 3), (type, axis) => (axis === 'dp' ? 'V0' : type)),
  };
}

/** The data axes over which a placement shares a vector out that is whole in `whole`. */
export const sharedOver = (placed: Types, whole: Types): TypedAxis[] =>
  dataAxes.filter((axis) => placed[axis] === 'V0' && whole[axis] !== 'V0');

/** Which of how many equal parts of a vector a rank holds that is shared out over these axes. */
export function partOver(axes: readonly TypedAxis[], mesh: Mesh, coords: Coords): { index: number; count: number } {
  let [index, count] = [0, 1];
  for (const axis of axes) {
    index += coords[axis] * count;
    count *= mesh[axis];
  }
  return { index, count };
}

/** Of the ranks that hold the same, the first: it alone saves it and counts it in norms. */
export const isFirstHolder = (types: Types, coords: Coords): boolean =>
  Object.entries(types).every(([axis, type]) => varyingDim(type) !== undefined || coords[axis as TypedAxis] === 0);
