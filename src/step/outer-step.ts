// Where replicas that take steps of their own come together: the figures of every step, and the outer step after every so many.
//
//   steps            1 ....... H              H+1 ...... 2H
//   replica 0    ──► own ► own ► own ──┐  ┌──► own ► own ► own ──┐  ┌──►      own: AdamW on its own gradients, with its own moments
//   replica 1    ──► own ► own ► own ──┤  ├──► own ► own ► own ──┤  ├──►
//                                      ▼  │                      ▼  │
//                          outer step on what they agreed on last: each holds a part of that and of the momentum, so their parameters are
//                          summed and scattered, and the new ones gathered
//
// To programs of the whole mesh, what a replica has for itself is one of the terms of a sum over dp: it is partial, and enters no op that would
// take it for what all have.
import type { Layout } from '../mesh/layout.ts';
import { type Coords, coordsOf } from '../mesh/mesh.ts';
import { allGather, allReduce, reduceScatter } from '../ops/collectives.ts';
import { meanOfSum, outerStep } from '../ops/outer.ts';
import type { Program, Value } from '../program/program.ts';
import { at, finish, input, startTrace } from '../program/trace.ts';
import { type Types, typedAxes } from '../program/types.ts';
import type { Bucket } from '../state/buckets.ts';
import { heldPart } from '../state/pieces.ts';
import { outerRoles, type RankState, stateOf, trainingRoles } from '../state/vectors.ts';
import { cutProgram } from './cut-program.ts';
import { type ProgramBuilder, startProgram } from './program-builder.ts';
import type { OuterSettings, StepSettings } from './settings.ts';
import type { RankProgram } from './step.ts';

/** The state of a rank that trains. */
export function trainingState({ config, layout, outer }: StepSettings, coords: Coords): RankState {
  if (outer && layout.dp > 1 && layout.zero > 0)
    throw new Error('replicas that take steps of their own share nothing out');
  return stateOf(config, layout, coords, outer ? [...trainingRoles, ...outerRoles] : trainingRoles);
}

/** The program of an outer step, on the state of the training step. */
export function buildOuterStep(settings: StepSettings, outer: OuterSettings, rank: number): RankProgram {
  const { layout, precision } = settings;
  const coords = coordsOf(layout, rank);
  const state = trainingState(settings, coords);
  const builder = startProgram(layout, rank, precision, state);
  const inputs: Record<string, number> = {};
  const into: Record<string, number> = {};
  for (const bucket of state.buckets)
    for (const role of ['parameter', ...outerRoles] as const) {
      const vector = state.index(role, bucket);
      const held = builder.state(vector, 0, [state.vectors[vector]!.size]);
      inputs[`${role}:${bucket.name}`] = held;
      if (role === 'parameter') into[`whole:${bucket.name}`] = held;
    }
  if (layout.dp > 1)
    for (const bucket of state.buckets) {
      const { size } = heldPart(bucket, bucket.placement.outer, layout, coords);
      // The step is done with the gradients.
      into[`moved:${bucket.name}`] = builder.state(state.index('gradient', bucket), 0, [size]);
    }
  const program = cutProgram(traceOuterStep(state.buckets, outer, layout, coords));
  builder.run(program, [inputs], { site: '', phase: 'finish' }, into);
  return builder.finish();
}

/**
 * Inputs by bucket: `parameter:<name>`, `synchronised:<name>`, `outerMomentum:<name>`. Outputs: `moved:<name>` (this rank's part of the new
 * parameters) and `whole:<name>` (the new parameters).
 */
export function traceOuterStep(
  buckets: readonly Bucket[],
  { learningRate, momentum }: OuterSettings,
  layout: Layout,
  coords: Coords,
): Program {
  const trace = startTrace(layout, coords);
  const inputs: Record<string, Value> = {};
  const outputs: Record<string, Value> = {};
  for (const bucket of buckets)
    at(trace, `outer step of ${bucket.name}`, () => {
      const { outer } = bucket.placement;
      const own: Types = outer.dp === undefined ? outer : { ...outer, dp: 'P' };
      const take = (role: string, types: Types): Value => {
        const { size } = heldPart(bucket, types, layout, coords);
        inputs[`${role}:${bucket.name}`] = input(trace, [size], types);
        return inputs[`${role}:${bucket.name}`]!;
      };
      const state = {
        sum: reduceScatter(take('parameter', own), 'dp', 0),
        synchronised: take('synchronised', outer),
        momentum: take('outerMomentum', outer),
      };
      const moved = outerStep(state, { replicas: layout.dp, learningRate, momentum });
      outputs[`moved:${bucket.name}`] = moved;
      outputs[`whole:${bucket.name}`] = allGather(moved, 'dp', 0, 'I');
    });
  return finish(trace, inputs, outputs);
}

/**
 * Emits the means over the replicas of numbers that are the same on all ranks of one, each where it lies: the losses [n], the norm [1] and
 * what is told of routing [n].
 */
export function emitMeans(
  builder: ProgramBuilder,
  layout: Layout,
  coords: Coords,
  figures: { readonly loss: number; readonly gradNorm: number; readonly routing?: number },
  numbers: { readonly loss: number; readonly routing: number },
): void {
  const trace = startTrace(layout, coords);
  const types: Types = { ...Object.fromEntries(typedAxes.map((axis) => [axis, 'I'])), dp: 'P' };
  const inputs: Record<string, Value> = {};
  const outputs: Record<string, Value> = {};
  for (const [name, size, dtype] of [
    ['loss', numbers.loss, 'float'],
    ['gradNorm', 1, 'double'],
    ['routing', numbers.routing, 'double'],
  ] as const) {
    if (size === 0) continue;
    at(trace, `mean ${name} of replicas`, () => {
      inputs[name] = input(trace, [size], types, dtype);
      outputs[name] = meanOfSum(allReduce(inputs[name], 'dp', 'I'), layout.dp);
    });
  }
  builder.run(cutProgram(finish(trace, inputs, outputs)), [figures], { site: '', phase: 'finish' }, figures);
}
