// Small typed programs as if at random, with their gradients: what does not fit the value it meets is left out.
import fc from 'fast-check';
import { FivefoldError } from '../src/errors.ts';
import { type Mesh, worldSize } from '../src/mesh/mesh.ts';
import { gelu } from '../src/ops/activation.ts';
import { allGather, allReduce, enter, ownSlice, reduceScatter } from '../src/ops/collectives.ts';
import { add, multiply, scale } from '../src/ops/elementwise.ts';
import { grad } from '../src/ops/grad.ts';
import { linear } from '../src/ops/linear.ts';
import { enterLocal, leaveLocal, ringShift } from '../src/ops/local.ts';
import type { Program, Shape, Trace, Value } from '../src/program/program.ts';
import { at, finish, input } from '../src/program/trace.ts';
import { type AxisType, dualTypes, mapTypes, type TypedAxis, type Types, typedAxes } from '../src/program/types.ts';

export interface RandomProgram {
  readonly mesh: Mesh;
  readonly types: readonly AxisType[];
  readonly moves: readonly (readonly [move: number, axis: TypedAxis])[];
}

const size = fc.integer({ min: 1, max: 2 });
export const anyProgram: fc.Arbitrary<RandomProgram> = fc.record({
  mesh: fc
    .record({ tp: size, cp: size, ep: size, dp: size, pp: fc.constant(1) })
    .filter((mesh) => worldSize(mesh) > 1 && worldSize(mesh) <= 4),
  types: fc.array(fc.constantFrom<AxisType>('R', 'I', 'P', 'V0', 'V1', 'V2'), { minLength: 4, maxLength: 4 }),
  moves: fc.array(fc.tuple(fc.nat(1000), fc.constantFrom(...typedAxes)), { minLength: 4, maxLength: 14 }),
});

type Weight = (shape: Shape, types: Types) => Value;
type Move = (x: Value, axis: TypedAxis, weight: Weight) => Value;

/** A weight's types beside a value's: it is cut where the value's features are. */
const beside = ({ types }: Value): Types =>
  mapTypes(types, (type) => (type === 'V2' ? 'V1' : type === 'I' ? 'I' : 'R'));

const moves: readonly Move[] = [
  (x) => gelu(x),
  (x) => scale(x, 0.5),
  (x, _, weight) => add(x, weight(x.shape, x.types)),
  (x, _, weight) =>
    multiply(
      x,
      weight(
        x.shape,
        mapTypes(x.types, (type) => (type === 'P' ? 'R' : type)),
      ),
    ),
  (x, _, weight) => linear(x, weight([4, x.shape[2]!], beside(x))),
  (x, axis, weight) => linear(x, weight([2, x.shape[2]!], { ...beside(x), [axis]: 'V0' })),
  (x, axis) => enter(x, axis),
  (x, axis) => allReduce(x, axis, 'I'),
  (x) =>
    allReduce(
      x,
      typedAxes.filter((each) => x.types[each] === 'P'),
      'R',
    ),
  (x, axis) => reduceScatter(x, axis, 1),
  (x, axis) => allGather(x, axis, Number(x.types[axis]?.slice(1) ?? 0)),
  (x, axis) => ownSlice(x, axis, 2),
  (x, axis) => leaveLocal(ringShift(enterLocal(x, axis), axis, 1), axis, x.types[axis]!),
];

/** The program of one rank: `x`, weights and the gradient of the result in; the result and all gradients out. */
export function writeRandom({ types, moves: chosen }: RandomProgram, trace: Trace): Program {
  const inputs: Record<string, Value> = {};
  const take = (name: string, shape: Shape, of: Types): Value => {
    inputs[name] = input(trace, shape, of);
    return inputs[name];
  };
  const start = take('x', [2, 4, 4], Object.fromEntries(typedAxes.map((axis, index) => [axis, types[index]!])));
  let y = start;
  for (const [index, [move, axis]] of chosen.entries())
    try {
      const weight: Weight = (shape, of) => take(`w${index}`, shape, of);
      y = at(trace, `move ${index}`, () => moves[move % moves.length]!(y, axis, weight));
    } catch (error) {
      if (!(error instanceof FivefoldError)) throw error;
    }
  const dy = take('dy', y.shape, dualTypes(y.types));
  const names = Object.keys(inputs).filter((name) => name !== 'dy');
  const gradients = grad(
    trace,
    [{ value: y, gradient: dy }],
    names.map((name) => inputs[name]!),
  );
  const found = names.flatMap((name, index) => (gradients[index] ? [[`d${name}`, gradients[index]] as const] : []));
  return finish(trace, inputs, { y, ...Object.fromEntries(found) });
}
