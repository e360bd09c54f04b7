// What follows the microbatches of a step, as one typed program: gradients are completed by their types, their norm is taken,
// AdamW is applied to what this rank holds of the moments, and parameters that others updated are gathered back.
import type { Layout } from '../mesh/layout.ts';
import { type Coords, dataAxes } from '../mesh/mesh.ts';
import { toldTypes } from '../model/router.ts';
import { allGather, allReduce, reduceScatter } from '../ops/collectives.ts';
import { adamw, onFirst, optimizerSettings, squareRoot, sumOverStages, sumSquares, total } from '../ops/finishing.ts';
import { type LoadRow, moveByLoad } from '../ops/load.ts';
import type { Program, Value } from '../program/program.ts';
import { at, finish, input, startTrace } from '../program/trace.ts';
import { type TypedAxis, type Types, typedAxes } from '../program/types.ts';
import type { Bucket } from '../state/buckets.ts';
import { heldPart } from '../state/pieces.ts';
import { sharedOver } from '../state/placement.ts';

export interface FinishingNumbers {
  readonly losses?: number;
  readonly routing?: number;
  readonly biases?: { readonly bucket: Bucket; readonly rows: readonly LoadRow[]; readonly rate: number };
}

/**
 * Inputs by bucket: `parameter:<name>` (what moments are held for), `gradient:<name>` (as microbatches left it), `first:<name>`,
 * `second:<name>`; `loss` and `optimizer`. Outputs: `finished:<name>` (the complete gradient), `whole:<name>` (the parameters as the
 * rank holds them, where others have updated a part), `loss` and `gradNorm`. `losses`: numbers in `loss`. `routing`: numbers told of
 * routing, of all layers; with any, `routing` is an input and an output too, and with `biases` (of this stage's routers) they are.
 */
export function traceFinishing(
  buckets: readonly Bucket[],
  layout: Layout,
  coords: Coords,
  { losses = 1, routing = 0, biases }: FinishingNumbers = {},
): Program {
  const trace = startTrace(layout, coords);
  const inputs: Record<string, Value> = {};
  const outputs: Record<string, Value> = {};
  const take = (name: string, size: number, types: Types): Value => {
    inputs[name] = input(trace, [size], types);
    return inputs[name];
  };
  const sizeOf = (bucket: Bucket, types: Types): number => heldPart(bucket, types, layout, coords).size;

  const finished = buckets.map((bucket) =>
    at(trace, `gradients of ${bucket.name}`, () => {
      const { gradient, finished: wanted } = bucket.placement;
      const sum = complete(take(`gradient:${bucket.name}`, sizeOf(bucket, gradient), gradient), wanted);
      outputs[`finished:${bucket.name}`] = bucket.onBothEnds ? sumOverStages(sum, true) : sum;
      return outputs[`finished:${bucket.name}`]!;
    }),
  );
  const squaredNorm = at(trace, 'gradient norm', () => {
    const counted = finished.filter((_, index) => !buckets[index]!.onBothEnds || coords.pp === 0);
    const sum = sumOnce(counted.map(sumSquares));
    return layout.pp > 1 ? sumOverStages(sum) : sum;
  });
  outputs.gradNorm = at(trace, 'gradient norm', () => squareRoot(squaredNorm));
  outputs.loss = at(trace, 'loss', () => {
    inputs.loss = input(trace, [losses], { tp: 'I', cp: 'P', ep: 'P', dp: 'P' });
    const mean = allReduce(inputs.loss, dataAxes, 'I');
    return layout.pp > 1 ? sumOverStages(mean) : mean;
  });
  if (routing > 0)
    outputs.routing = at(trace, 'routing', () => {
      inputs.routing = input(trace, [routing], toldTypes, 'double');
      const sum = allReduce(inputs.routing, dataAxes, 'I');
      const all = layout.pp > 1 ? sumOverStages(sum) : sum;
      if (biases) {
        inputs.biases = input(trace, [biases.bucket.size], biases.bucket.placement.moments);
        outputs.biases = moveByLoad(inputs.biases, all, biases);
      }
      return all;
    });

  inputs.optimizer = input(trace, [optimizerSettings.length], {}, 'double');
  for (const [index, bucket] of buckets.entries())
    at(trace, `optimizer of ${bucket.name}`, () => {
      const { moments } = bucket.placement;
      // Between steps every rank does the same with what it holds like others: parameters are as invariant as their moments.
      const vector = (what: string) => take(`${what}:${bucket.name}`, sizeOf(bucket, moments), moments);
      const state = {
        param: vector('parameter'),
        gradient: finished[index]!,
        first: vector('first'),
        second: vector('second'),
      };
      const { param } = adamw(state, squaredNorm, inputs.optimizer!, {
        decayed: decayedIn(bucket, heldPart(bucket, moments, layout, coords)),
      });
      const shared = sharedOver(moments, bucket.types).filter(
        (axis) => !sharedOver(bucket.placement.param, bucket.types).includes(axis),
      );
      outputs[`whole:${bucket.name}`] = allGather(param, shared, 0, 'I');
    });
  return finish(trace, inputs, outputs);
}

/** What is partial is scattered where the wanted type varies, and summed over all axes together where it does not. */
function complete(gradient: Value, wanted: Types): Value {
  const partial = (x: Value): TypedAxis[] => typedAxes.filter((axis) => x.types[axis] === 'P');
  const scattered = reduceScatter(
    gradient,
    partial(gradient).filter((axis) => wanted[axis] === 'V0'),
    0,
  );
  return allReduce(scattered, partial(scattered), 'I');
}

/** The sum of doubles over all ranks of a stage: what several ranks hold alike counts on the first of them. */
function sumOnce(parts: readonly Value[]): Value {
  const varying = typedAxes.filter((axis) => parts.some(({ types }) => types[axis] === 'P'));
  const once = parts.map((part) =>
    onFirst(
      part,
      varying.filter((axis) => part.types[axis] === 'I'),
    ),
  );
  return allReduce(total(once), varying, 'R');
}

/** The elements of a held part that weight decay acts on. */
function decayedIn({ slots }: Bucket, { start, size }: { start: number; size: number }): [number, number][] {
  const ranges: [number, number][] = [];
  for (const slot of slots) {
    const from = Math.max(0, slot.start - start);
    const to = Math.min(size, slot.start + slot.size - start);
    if (!slot.spec.decays || from >= to) continue;
    const last = ranges.at(-1);
    if (last && from - last[1] < 16) last[1] = to;
    else ranges.push([from, to]);
  }
  return ranges;
}
