// A part's parameters and gradients in a program: as they lie in the rank's state, or whole for a while where ZeRO shares them out.
//
//   ZeRO 3   a part's buckets are gathered before it runs forward, and again before it runs backward. Shares change only after the norm of
//            the gradients, for which all ranks meet: so the first gather of a program meets, and those after it need not
//   ZeRO 2   its gradients are whole while it runs backward, and then scattered onto the shares

import type { Layout } from '../mesh/layout.ts';
import type { Coords } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import { type Part, paramSpecs, shardShape } from '../model/params.ts';
import { allGather, allGatherStill, reduceScatter } from '../ops/collectives.ts';
import { accumulate } from '../ops/elementwise.ts';
import { elements, type Shape } from '../program/program.ts';
import { finish, input, startTrace } from '../program/trace.ts';
import { dualTypes } from '../program/types.ts';
import type { Bucket } from '../state/buckets.ts';
import { heldPart } from '../state/pieces.ts';
import { sharedOver, zeroOf } from '../state/placement.ts';
import type { RankState } from '../state/vectors.ts';
import { type Bindings, type CutProgram, cutProgram } from './cut-program.ts';
import { once } from './once.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { Place } from './step.ts';

export interface Held {
  /** `param:<key>` of a part, whole. */
  params(part: Part, place: Place): Bindings;
  /** `sum:<key>` of a part, for programs that add to it; `done` is called when its gradients have been added. */
  sums(part: Part, place: Place): { readonly bindings: Bindings; readonly done: () => void };
  /** As {@link Held.sums}, for one program that makes all of them: where ZeRO shares gradients out there is nothing to add to. */
  gradients(part: Part, place: Place): Gradients;
}

/** Where the gradients of a part go: `inputs` are added to, `outputs` written. */
export interface Gradients {
  readonly inputs: Bindings;
  readonly outputs: Bindings;
  readonly done: () => void;
}

interface Context {
  readonly config: ModelConfig;
  readonly layout: Layout;
  readonly builder: ProgramBuilder;
  readonly state: Pick<RankState, 'find' | 'index' | 'byLoad'>;
  readonly coords: Coords;
}

export function holdState({ config, layout, builder, state, coords }: Context): Held {
  const part = (bucket: Bucket, role: 'param' | 'gradient') => heldPart(bucket, bucket.placement[role], layout, coords);
  const gatherBy =
    (gathering: typeof allGatherStill) =>
    (bucket: Bucket): CutProgram => {
      const trace = startTrace(layout, coords);
      const { param } = bucket.placement;
      const share = input(trace, [part(bucket, 'param').size], param);
      return cutProgram(finish(trace, { share }, { whole: gathering(share, sharedOver(param, bucket.types), 0) }));
    };
  const gatherFirst = once(gatherBy(allGather));
  const gatherStill = once(gatherBy(allGatherStill));
  /** The axes over which the program has gathered. */
  const met = new Set<string>();
  const gather = (bucket: Bucket): CutProgram => {
    const axes = sharedOver(bucket.placement.param, bucket.types).join();
    if (met.has(axes)) return gatherStill(bucket);
    met.add(axes);
    return gatherFirst(bucket);
  };
  const scatter = once((bucket: Bucket): CutProgram => {
    const trace = startTrace(layout, coords);
    const { gradient } = bucket.placement;
    const whole = input(trace, [bucket.size], dualTypes(bucket.types));
    const sum = input(trace, [part(bucket, 'gradient').size], gradient);
    const share = reduceScatter(whole, sharedOver(gradient, dualTypes(bucket.types)), 0);
    return cutProgram(finish(trace, { whole, sum }, { sum: accumulate(sum, share) }));
  });

  const placesOf = once((of: Part) =>
    paramSpecs(config, layout, of).map((spec): PlaceInBucket => {
      const { bucket, slot } = state.find(spec);
      const names = { param: `param:${spec.key}`, sum: `sum:${spec.key}` };
      return { names, bucket, start: slot.start, shape: shardShape(spec, layout) };
    }),
  );

  /** The vectors of a part's buckets, and the part's parameters as views into them. */
  const viewsOf = (of: Part, what: 'param' | 'sum', vectorOf: (bucket: Bucket) => Vector): Bindings => {
    const vector = once(vectorOf);
    const views: Record<string, number> = {};
    for (const { names, bucket, start, shape } of placesOf(of))
      if (what === 'param' || bucket !== state.byLoad) views[names[what]] = vector(bucket)(start, shape);
    return views;
  };
  const inState =
    (role: 'parameter' | 'gradient') =>
    (bucket: Bucket): Vector =>
    (start, shape) =>
      builder.state(state.index(role, bucket), start, shape);
  const whole = (bucket: Bucket, name: string, copyOf: 'parameter' | 'gradient'): number =>
    builder.activation(`${name} ${bucket.name}`, [bucket.size], 'float', copyOf);
  const inside =
    (id: number): Vector =>
    (start, shape) =>
      builder.view(id, start, shape);

  const lastingParams = once((of: Part) => viewsOf(of, 'param', inState('parameter')));
  const lastingSums = once((of: Part) => viewsOf(of, 'sum', inState('gradient')));

  /** Whole gradients of a part for a while, with what no parameter fills of them; `done` scatters them. */
  const wholeSums = (of: Part, place: Place) => {
    const wholes = new Map<Bucket, number>();
    const bindings = viewsOf(of, 'sum', (bucket) => {
      const id = whole(bucket, 'gradients', 'gradient');
      wholes.set(bucket, id);
      return inside(id);
    });
    const gaps = (): number[] =>
      [...wholes].flatMap(([bucket, id]) =>
        gapsOf(bucket, placesOf(of)).map(([start, end]) => builder.view(id, start, [end - start])),
      );
    const done = (): void => {
      for (const [bucket, id] of wholes) {
        const sum = builder.state(state.index('gradient', bucket), 0, [part(bucket, 'gradient').size]);
        builder.run(scatter(bucket), [{ whole: id, sum }], { ...place, site: `${place.site} scatter` });
      }
    };
    return { bindings, ids: [...wholes.values()], gaps, done };
  };

  return {
    params(of, place) {
      if (zeroOf(layout) < 3) return lastingParams(of);
      return viewsOf(of, 'param', (bucket) => {
        const sharing = sharedOver(bucket.placement.param, bucket.types);
        if (sharing.length === 0) return inState('parameter')(bucket);
        const id = whole(bucket, 'gathered', 'parameter');
        const share = builder.state(state.index('parameter', bucket), 0, [part(bucket, 'param').size]);
        builder.run(gather(bucket), [{ share }], { ...place, site: `${place.site} gather` }, { whole: id });
        return inside(id);
      });
    },
    sums(of, place) {
      if (!sharesGradients(layout)) return { bindings: lastingSums(of), done: () => undefined };
      const wholes = wholeSums(of, place);
      builder.emit({ kind: 'zero', buffers: wholes.ids, ...place });
      return wholes;
    },
    gradients(of, place) {
      if (!sharesGradients(layout)) return { inputs: lastingSums(of), outputs: {}, done: () => undefined };
      const { bindings, gaps, done } = wholeSums(of, place);
      const unwritten = gaps();
      if (unwritten.length > 0) builder.emit({ kind: 'zero', buffers: unwritten, ...place });
      return { inputs: {}, outputs: bindings, done };
    },
  };
}

/** Gradients are whole for a while only, and added to this rank's share of them. */
export const sharesGradients = (layout: Layout): boolean => zeroOf(layout) >= 2;

/** What these parameters leave of a bucket. */
function gapsOf(bucket: Bucket, places: readonly PlaceInBucket[]): (readonly [start: number, end: number])[] {
  const taken = places.filter((place) => place.bucket === bucket).sort((a, b) => a.start - b.start);
  const starts = [...taken.map(({ start }) => start), bucket.size];
  const ends = [0, ...taken.map(({ start, shape }) => start + elements(shape))];
  return ends.map((end, index) => [end, starts[index]!] as const).filter(([start, end]) => start < end);
}

/** Where a parameter of a part lies. */
interface PlaceInBucket {
  /** What programs call it and its gradient. */
  readonly names: { readonly param: string; readonly sum: string };
  readonly bucket: Bucket;
  readonly start: number;
  readonly shape: Shape;
}

/** A part of a vector as a buffer. */
type Vector = (start: number, shape: readonly number[]) => number;
