// What to do instead of a collective that was given an operand of the wrong type.
import { type AxisType, type Cut, cutOf, type TypedAxis, varyingDim } from '../program/types.ts';

/** The fix, by the axis and the type that the operand wrongly has. */
export type Instead = (axis: TypedAxis, type: AxisType) => string;

type Fixes = Readonly<Partial<Record<'R' | 'I' | 'L' | 'P' | 'Pmax' | Cut, string>>>;

/** A type without a fix is one that the collective takes. */
const fixes =
  (all: (axis: TypedAxis, type: AxisType) => Fixes): Instead =>
  (axis, type) =>
    ({ ...ofParts(axis, type), ...all(axis, type) })[cutOf(type)?.cut ?? (type as 'R')] ?? '';

/** Parts that may overlap are fit for no collective. */
const ofParts = (axis: TypedAxis, type: AxisType): Fixes => ({
  O: `its parts may overlap or leave gaps: use what ownSlice cut them from, or cut it in even shares over ${axis} (V)`,
  L: `it is local on ${axis}: leave the region with it first (leaveLocal)`,
  PO: `it is the gradient of parts that may overlap: take it back through their ownSlice (${type} -> P) first`,
});

export const insteadOf = {
  local: fixes((axis) => ({
    I: `every rank holds it whole: keep this rank's slice over ${axis} (ownSlice), or enter it (I -> R), first`,
    L: 'it is local already: drop this enterLocal',
    Pmax: `all-reduce it over ${axis} by maximum (Pmax -> R) first`,
  })),
  outside: fixes((axis) => {
    const enter = `enter the region that is local on ${axis} with it first (enterLocal)`;
    return { R: enter, I: enter, V: enter, P: enter, Pmax: enter, O: enter, PO: enter };
  }),
  enter: fixes((axis, type) => ({
    R: 'it has entered already: drop this enter',
    V: `all-gather it on dim ${varyingDim(type)} over ${axis} (${type} -> R) instead`,
    P: `all-reduce it over ${axis} (P -> R) instead`,
    Pmax: `all-reduce it over ${axis} by maximum (Pmax -> R) instead`,
  })),
  sum: fixes((axis, type) => ({
    R: 'every rank holds it whole, and summing would count it once a rank: drop this all-reduce',
    I: 'it is summed already: drop this all-reduce',
    V: `each rank holds its own slice: all-gather it on dim ${varyingDim(type)} over ${axis} (${type} -> R) instead`,
    Pmax: `all-reduce it over ${axis} by maximum (Pmax -> R) instead`,
  })),
  maximum: fixes((axis, type) => ({
    R: 'every rank holds it whole: drop this all-reduce',
    I: 'every rank holds it whole: drop this all-reduce',
    V: `each rank holds its own slice: take its maximum first, or all-gather it on dim ${varyingDim(type)} over ${axis}`,
    P: `it is a partial sum: all-reduce it over ${axis} by sum (P -> R) instead`,
  })),
  gather: fixes((axis, type) => ({
    R: 'every rank holds it whole: drop this all-gather',
    I: 'every rank holds it whole: drop this all-gather',
    V: `gather dim ${varyingDim(type)}, on which it is sharded over ${axis}`,
    P: `all-reduce it over ${axis} (P -> R) instead`,
    Pmax: `all-reduce it over ${axis} by maximum (Pmax -> R) instead`,
  })),
  scatter: fixes((axis, type) => ({
    R: `every rank holds it whole: keep this rank's slice over ${axis} (ownSlice) instead`,
    I: `every rank holds it whole: keep this rank's slice over ${axis} (ownSlice) instead`,
    V: `it is sharded on dim ${varyingDim(type)} already: drop this reduce-scatter`,
    Pmax: `all-reduce it over ${axis} by maximum (Pmax -> R) instead`,
  })),
  slice: fixes((axis, type) => ({
    I: `an invariant value is sliced in even shares only: enter it over ${axis} (I -> R) first`,
    V: `it is sharded on dim ${varyingDim(type)} already: drop this slice, or all-gather it over ${axis} first`,
    P: `reduce-scatter it over ${axis} instead`,
    Pmax: `all-reduce it over ${axis} by maximum (Pmax -> R) first`,
  })),
};
