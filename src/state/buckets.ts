// A rank's parameters as few long vectors: what finishes alike lies side by side, and its gradients travel in one call.
//
//   bucket   │ q.weight │ k.weight │ .. │ down.weight │ padding │      with ZeRO, cut evenly over the data ranks:
//            │  rank 0's part   │  rank 1's part   │               parts do not end where parameters do
import type { Layout } from '../mesh/layout.ts';
import { dataAxes } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import { type ParamSpec, type Part, paramSpecs, shardShape } from '../model/params.ts';
import { isOnBothEnds, isTied, stageParts } from '../model/stages.ts';
import { elements } from '../program/program.ts';
import { mapTypes, type Types, typedAxes, varyingDim } from '../program/types.ts';
import { type Placement, placementOf, zeroOf } from './placement.ts';

/** A parameter's place in its bucket: elements [start, start + size) of the vector hold its shard. */
export interface Slot {
  readonly spec: ParamSpec;
  readonly start: number;
  readonly size: number;
}

export interface Bucket {
  readonly name: string;
  readonly slots: readonly Slot[];
  /** Elements of the whole vector: a multiple of the ranks that may share it out. What lies between and behind the slots stays zero. */
  readonly size: number;
  /** Of the whole vector in a program. */
  readonly types: Types;
  readonly placement: Placement;
  /** Held by the first and the last stage: gradients are summed over the two. */
  readonly onBothEnds: boolean;
  /** So many are alike, of which this one stands for all: 1 but in summaries. */
  readonly count: number;
}

/** Shards start at multiples of it: a cache line of 64-bit numbers. */
const grain = 16;
const padded = (size: number, to: number): number => Math.ceil(size / to) * to;

/** A cut vector is one whatever dim of its parameters is cut. */
const flat = (types: Types): Types => mapTypes(types, (type) => (varyingDim(type) === undefined ? type : 'V0'));

/**
 * The buckets of a stage. From ZeRO 2 on each part of the model has its own, since gradients (and from 3 on parameters) are whole
 * for one part at a time only.
 */
export const bucketsOf = (config: ModelConfig, layout: Layout, stage: number): Bucket[] =>
  bucketsOfParts(config, layout, stageParts(config, layout, stage));

/** The same where a stage has these parts. */
export const bucketsOfParts = (config: ModelConfig, layout: Layout, parts: readonly Part[]): Bucket[] =>
  alikeBuckets(config, layout, parts.map(once));

/** Parts that are built alike: so many, of which one is named. */
export interface AlikeParts {
  readonly part: Part;
  readonly count: number;
}

const once = (part: Part): AlikeParts => ({ part, count: 1 });

/** The same, where of buckets that are alike one stands for so many. Of parts that are not named the slots are left out. */
export const alikeBuckets = (config: ModelConfig, layout: Layout, parts: readonly AlikeParts[]): Bucket[] =>
  bucketsWhere(config, layout, parts, ({ byLoad }) => !byLoad);

/** Of parameters that have no gradient, whole on every rank; undefined: there are none. */
export const loadBucketOf = (config: ModelConfig, layout: Layout, stage: number): Bucket | undefined =>
  loadBucketOfParts(config, layout, stageParts(config, layout, stage).map(once));

export function loadBucketOfParts(
  config: ModelConfig,
  layout: Layout,
  parts: readonly AlikeParts[],
): Bucket | undefined {
  const [found] = bucketsWhere(config, { ...layout, zero: 0 }, parts, ({ byLoad }) => byLoad === true);
  return found && { ...found, name: 'by load' };
}

function bucketsWhere(
  config: ModelConfig,
  layout: Layout,
  parts: readonly AlikeParts[],
  wanted: (spec: ParamSpec) => boolean,
): Bucket[] {
  const drafts = new Map<string, { specs: Map<string, Held>; onBothEnds: boolean; count: number }>();
  for (const { part, count } of parts)
    for (const spec of paramSpecs(config, layout, part).filter(wanted)) {
      const name = bucketName(config, layout, part, spec);
      // Those of a block are its own from ZeRO 2 on.
      const [times, buckets] = hasOwnBuckets(layout, part) ? [1, count] : [count, 1];
      const draft = drafts.get(name) ?? {
        specs: new Map(),
        onBothEnds: isOnBothEnds(config, layout, spec),
        count: buckets,
      };
      // The embedding and a head tied to it are one parameter.
      if (!draft.specs.has(spec.name)) draft.specs.set(spec.name, { spec, times });
      drafts.set(name, draft);
    }
  return [...drafts].map(([name, { specs, onBothEnds, count }]) => ({
    ...bucketOf(name, [...specs.values()], layout),
    onBothEnds,
    count,
  }));
}

const hasOwnBuckets = (layout: Layout, { name }: Part): boolean => zeroOf(layout) >= 2 && name === 'block';

/** So many parameters that are alike. */
interface Held {
  readonly spec: ParamSpec;
  readonly times: number;
}

function bucketName(config: ModelConfig, layout: Layout, part: Part, spec: ParamSpec): string {
  const types = flat(spec.types);
  // On the data axes all but experts are replicated.
  const kind = typedAxes
    .filter((axis) => layout[axis] > 1 && (!(dataAxes as readonly string[]).includes(axis) || types[axis] === 'V0'))
    .map((axis) => `${axis}:${types[axis]}`);
  return [unitOf(config, layout, part, spec), ...kind].join(' ');
}

/** What a bucket's parameters must have in common, besides how they lie over the model's axes. */
function unitOf(config: ModelConfig, layout: Layout, part: Part, spec: ParamSpec): string {
  if (isOnBothEnds(config, layout, spec)) return 'both ends';
  if (hasOwnBuckets(layout, part)) return `block ${part.layer}`;
  if (zeroOf(layout) < 2) return 'stage';
  return isTied(config, spec) ? 'tied' : part.name;
}

function bucketOf(name: string, held: readonly Held[], layout: Layout): Omit<Bucket, 'onBothEnds' | 'count'> {
  const types = flat(held[0]!.spec.types);
  let end = 0;
  const slots = held.map(({ spec, times }): Slot => {
    const [start, size] = [end, elements(shardShape(spec, layout))];
    end += times * padded(size, grain);
    return { spec, start, size };
  });
  // Of what ranks of every data axis have their own, nothing is shared out.
  const alike = dataAxes.filter((axis) => layout[axis] > 1 && types[axis] !== 'V0');
  const zero = alike.length > 0 ? zeroOf(layout) : 0;
  const shares = alike.reduce((product, axis) => product * layout[axis], 1);
  return {
    name,
    slots,
    size: padded(end, grain * shares),
    types,
    placement: placementOf(types, zero),
  };
}
