// What a rank writes of its state when a run is saved: weights, moments and the outer optimizer's momentum, of which each is written by one
// of the ranks that hold it. Replicas that take steps of their own are saved where they agree, so that what they agreed on is the weights.
import type { Coords } from '../mesh/mesh.ts';
import { isFirstHolder } from './placement.ts';
import type { StateRole, StateVector } from './vectors.ts';

export const savedRoles = [
  'parameter',
  'firstMoment',
  'secondMoment',
  'outerMomentum',
] as const satisfies readonly StateRole[];
export type SavedRole = (typeof savedRoles)[number];

export interface SavedVector extends StateVector {
  readonly role: SavedRole;
}

/** Of the ranks that hold the same, the first writes it. */
export const savedVectors = (vectors: readonly StateVector[], coords: Coords): SavedVector[] =>
  vectors.filter(
    (vector): vector is SavedVector =>
      (savedRoles as readonly StateRole[]).includes(vector.role) &&
      isFirstHolder(vector.types, coords) &&
      (!vector.bucket.onBothEnds || coords.pp === 0),
  );
