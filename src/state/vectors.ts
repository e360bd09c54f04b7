// The state of a rank: what outlives a step, as vectors that all programs of the rank share.
import type { Layout } from '../mesh/layout.ts';
import type { Coords } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import type { ParamSpec } from '../model/params.ts';
import { stageParts } from '../model/stages.ts';
import type { Types } from '../program/types.ts';
import { type AlikeParts, alikeBuckets, type Bucket, loadBucketOfParts, type Slot } from './buckets.ts';
import { heldPart } from './pieces.ts';

/** Of training. */
export const trainingRoles = ['parameter', 'gradient', 'firstMoment', 'secondMoment'] as const;
/** What replicas that take steps of their own keep besides: the parameters that they last agreed on, and the outer optimizer's momentum. */
export const outerRoles = ['synchronised', 'outerMomentum'] as const;
export type StateRole = (typeof trainingRoles)[number] | (typeof outerRoles)[number];

/** A bucket's parameters, gradients, moments or outer state as this rank holds them. */
export interface StateVector {
  readonly role: StateRole;
  readonly bucket: Bucket;
  /** How it lies over the mesh; no type on dp: every replica has its own. */
  readonly types: Types;
  /** Elements. */
  readonly size: number;
}

/** Of which replica a vector is, where each has its own. */
export const ownerOf = ({ types }: StateVector, { dp }: Coords): number | undefined => ('dp' in types ? undefined : dp);

export interface RankState {
  /** Of parameters that have gradients. */
  readonly buckets: readonly Bucket[];
  /** Of those that have none: parameters alone. */
  readonly byLoad?: Bucket;
  readonly vectors: readonly StateVector[];
  /** The place of a bucket's vector in `vectors`. */
  readonly index: (role: StateRole, bucket: Bucket) => number;
  /** Where a parameter is. */
  readonly find: (spec: ParamSpec) => { readonly bucket: Bucket; readonly slot: Slot };
}

const typesOf: Readonly<Record<StateRole, (bucket: Bucket) => Types>> = {
  parameter: ({ placement }) => placement.param,
  gradient: ({ placement }) => placement.gradient,
  firstMoment: ({ placement }) => placement.moments,
  secondMoment: ({ placement }) => placement.moments,
  synchronised: ({ placement }) => placement.outer,
  outerMomentum: ({ placement }) => placement.outer,
};

const isOuter = (role: StateRole): boolean => (outerRoles as readonly StateRole[]).includes(role);

const withoutDp = (types: Types): Types => {
  const { dp: _, ...rest } = types;
  return rest;
};

/**
 * `roles`: parameters alone for programs that only run forward. With those of an outer optimizer, gradients and moments are each
 * replica's own; so are parameters, but wherever they are read or saved the replicas agree on them.
 */
export function stateOf(
  config: ModelConfig,
  layout: Layout,
  coords: Coords,
  roles: readonly StateRole[] = trainingRoles,
): RankState {
  const parts = stageParts(config, layout, coords.pp).map((part) => ({ part, count: 1 }));
  return stateOfParts(config, layout, coords, parts, roles);
}

/** The same where a rank has these parts. Of those that are not named parameters are not found. */
export function stateOfParts(
  config: ModelConfig,
  layout: Layout,
  coords: Coords,
  parts: readonly AlikeParts[],
  roles: readonly StateRole[] = trainingRoles,
): RankState {
  const buckets = alikeBuckets(config, layout, parts);
  const byLoad = loadBucketOfParts(config, layout, parts);
  const goOwnWay = roles.some(isOuter);
  const vectorOf = (bucket: Bucket, role: StateRole): StateVector => {
    const placed = typesOf[role](bucket);
    const types = goOwnWay && role !== 'parameter' && !isOuter(role) ? withoutDp(placed) : placed;
    return { role, bucket, types, size: heldPart(bucket, types, layout, coords).size };
  };
  const vectors = [
    ...buckets.flatMap((bucket) => roles.map((role) => vectorOf(bucket, role))),
    ...(byLoad ? [vectorOf(byLoad, 'parameter')] : []),
  ];
  const index = new Map(vectors.map(({ role, bucket }, at) => [`${role} ${bucket.name}`, at]));
  const places = new Map(
    [...buckets, ...(byLoad ? [byLoad] : [])].flatMap((bucket) =>
      bucket.slots.map((slot) => [slot.spec.name, { bucket, slot }] as const),
    ),
  );
  return {
    buckets,
    ...(byLoad ? { byLoad } : {}),
    vectors,
    index: (role, { name }) => index.get(`${role} ${name}`)!,
    find: ({ name }) => places.get(name)!,
  };
}
