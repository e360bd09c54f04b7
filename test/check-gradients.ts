// Checks the gradients of a typed program against finite differences, by what the types mean, on simulated ranks.
//
//   type  same on all ranks?   perturbed                gradient               counts in the loss as
//   R     yes                  on all ranks at once     sum over the ranks     each rank's, weighted differently
//   I     yes                  on all ranks at once     each rank's own        once
//   V     no                   rank by rank             the rank's own         each rank's, weighted differently
//   P     no                   rank by rank             any rank's             the sum over ranks, weighted once
import { coordsOf, type Mesh, rankAt, worldSize } from '../src/mesh/mesh.ts';
import { grad } from '../src/ops/grad.ts';
import { randomNumbers } from '../src/ops/samples.ts';
import type { NdArray } from '../src/program/op.ts';
import { finish, input, startTrace } from '../src/program/trace.ts';
import { dualTypes, type Types, typedAxes } from '../src/program/types.ts';
import { elements, type Program, type Shape, type Trace, type Value } from '../src/program/value.ts';
import { type Ranks, simulate } from './simulate.ts';

/** A program's input: its local shape, its types, and for integers the ids below which they are drawn. */
export interface Given {
  readonly shape: Shape;
  readonly types: Types;
  readonly below?: number;
}

export interface Check {
  readonly mesh: Mesh;
  readonly given: Readonly<Record<string, Given>>;
  /** Writes the program of one rank; returns the results that the loss is a random linear function of. */
  readonly write: (values: Readonly<Record<string, Value>>, trace: Trace) => readonly Value[];
  readonly step?: number;
}

export interface Checked {
  /** Largest difference between a gradient and its finite difference, over the largest gradient. */
  readonly error: number;
  /** Rank 0's program, forward and backward. */
  readonly program: Program;
  /** Values compared. */
  readonly compared: number;
}

/** Ranks that hold the same number: those alike on the axes where `apart` says that ranks differ. */
function classOf(mesh: Mesh, rank: number, types: Types, apart: (type: string) => boolean): number {
  const coords = { ...coordsOf(mesh, rank) };
  for (const axis of typedAxes) if (mesh[axis] > 1 && !apart(types[axis] ?? 'R')) coords[axis] = 0;
  return rankAt(mesh, coords);
}

export function checkGradients({ mesh, given, write, step = 1e-4 }: Check): Checked {
  const world = worldSize(mesh);
  const ranks = Array.from({ length: world }, (_, rank) => rank);
  const random = randomNumbers(3);

  const traced = ranks.map((rank) => {
    const trace = startTrace(mesh, coordsOf(mesh, rank));
    const values = Object.fromEntries(
      Object.entries(given).map(([name, { shape, types, below }]) => [
        name,
        input(trace, shape, types, below === undefined ? 'float' : 'int'),
      ]),
    );
    const results = write(values, trace);
    const forward = finish(trace, values, Object.fromEntries(results.map((value, index) => [`y${index}`, value])));
    const seeds = results.map((value) => ({ value, gradient: input(trace, value.shape, dualTypes(value.types)) }));
    const wrt = Object.entries(given).filter(([, { below }]) => below === undefined);
    const gradients = grad(
      trace,
      seeds,
      wrt.map(([name]) => values[name]!),
    );
    const outputs = wrt.flatMap(([name], index) => (gradients[index] ? [[`d${name}`, gradients[index]] as const] : []));
    const inputs = { ...values, ...Object.fromEntries(seeds.map(({ gradient }, index) => [`dy${index}`, gradient])) };
    return { forward, backward: finish(trace, inputs, Object.fromEntries(outputs)), results };
  });
  const forward = traced.map((one) => one.forward);
  const backward = traced.map((one) => one.backward);

  /** The same numbers on ranks of the same class, different ones on the others. */
  const draw = (shape: Shape, types: Types, apart: (type: string) => boolean, number: () => number): NdArray[] => {
    const drawn = new Map<number, NdArray>();
    return ranks.map((rank) => {
      const key = classOf(mesh, rank, types, apart);
      const known = drawn.get(key) ?? { shape, data: Float64Array.from({ length: elements(shape) }, number) };
      drawn.set(key, known);
      return known;
    });
  };
  const differs = (type: string) => type.startsWith('V') || type === 'P';
  const inputs: Ranks = byRank(
    world,
    Object.entries(given).map(([name, { shape, types, below }]) => [
      name,
      draw(shape, types, differs, () => (below === undefined ? 2 * random() - 1 : Math.floor(random() * below))),
    ]),
  );
  // Weights differ where the loss takes each rank's result apart: along R and V.
  const weights: Ranks = byRank(
    world,
    traced[0]!.results.map(({ shape, types }, index) => [
      `dy${index}`,
      draw(
        shape,
        types,
        (type) => type === 'R' || type.startsWith('V'),
        () => 2 * random() - 1,
      ),
    ]),
  );

  const loss = (values: Ranks): number => {
    const outputs = simulate(mesh, forward, values);
    let total = 0;
    for (const rank of ranks)
      for (const [index, { types }] of traced[0]!.results.entries()) {
        const once = typedAxes.every((axis) => types[axis] !== 'I' || coordsOf(mesh, rank)[axis] === 0);
        if (!once) continue;
        const weight = weights[rank]![`dy${index}`]!.data;
        total += outputs[rank]![`y${index}`]!.data.reduce((sum, value, i) => sum + value * weight[i]!, 0);
      }
    return total;
  };

  const merged = inputs.map((values, rank) => ({ ...values, ...weights[rank]! }));
  const gradients = simulate(mesh, backward, merged);
  let largest = 0;
  let worst = 0;
  let compared = 0;
  for (const [name, { shape, types, below }] of Object.entries(given)) {
    if (below !== undefined) continue;
    for (const rank of ranks) {
      if (classOf(mesh, rank, types, differs) !== rank) continue;
      const alike = ranks.filter((other) => classOf(mesh, other, types, differs) === rank);
      for (let i = 0; i < elements(shape); i++) {
        const moved = (by: number) =>
          loss(
            inputs.map((values, other) => {
              if (!alike.includes(other)) return values;
              const data = values[name]!.data.slice();
              data[i]! += by;
              return { ...values, [name]: { shape, data } };
            }),
          );
        const numeric = (moved(step) - moved(-step)) / (2 * step);
        // What each rank holds of this gradient: summed along R, the same along I.
        for (const first of alike.filter((other) => isFirst(other, types, (type) => type === 'R'))) {
          const summed = alike
            .filter((other) => classOf(mesh, other, types, (type) => type !== 'R') === first)
            .reduce((sum, other) => sum + (gradients[other]![`d${name}`]?.data[i] ?? 0), 0);
          largest = Math.max(largest, Math.abs(numeric));
          worst = Math.max(worst, Math.abs(summed - numeric));
          compared += 1;
        }
      }
    }
  }
  return { error: worst / Math.max(largest, 1), program: backward[0]!, compared };

  function isFirst(rank: number, types: Types, along: (type: string) => boolean): boolean {
    const coords = coordsOf(mesh, rank);
    return typedAxes.every((axis) => mesh[axis] === 1 || !along(types[axis] ?? 'R') || coords[axis] === 0);
  }
}

const byRank = (world: number, columns: readonly (readonly [string, readonly NdArray[]])[]): Ranks =>
  Array.from({ length: world }, (_, rank) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values[rank]!] as const)),
  );
