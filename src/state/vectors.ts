// The state of a rank: what outlives a step, as vectors that all programs of the rank share.
import type { Layout } from '../mesh/layout.ts';
import type { Coords } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import type { ParamSpec } from '../model/params.ts';
import type { Types } from '../program/types.ts';
import { type Bucket, bucketsOf, loadBucketOf, type Slot } from './buckets.ts';
import { heldPart } from './pieces.ts';

export const stateRoles = ['parameter', 'gradient', 'firstMoment', 'secondMoment'] as const;
export type StateRole = (typeof stateRoles)[number];

/** A bucket's parameters, gradients or moments as this rank holds them. */
export interface StateVector {
  readonly role: StateRole;
  readonly bucket: Bucket;
  /** How it lies over the mesh. */
  readonly types: Types;
  /** Elements. */
  readonly size: number;
}

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
};

/** `roles`: parameters alone for programs that only run forward. */
export function stateOf(
  config: ModelConfig,
  layout: Layout,
  coords: Coords,
  roles: readonly StateRole[] = stateRoles,
): RankState {
  const buckets = bucketsOf(config, layout, coords.pp);
  const byLoad = loadBucketOf(config, layout, coords.pp);
  const vectorOf = (bucket: Bucket, role: StateRole): StateVector => {
    const types = typesOf[role](bucket);
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
