// Checks the gradients of a typed program against finite differences, by what the types mean, on simulated ranks.
//
//   type  same on all ranks?   perturbed                gradient               counts in the loss as
//   R     yes                  on all ranks at once     sum over the ranks     each rank's, weighted differently
//   I     yes                  on all ranks at once     each rank's own        once
//   V, O, L  no                rank by rank             the rank's own         each rank's, weighted differently
//   P     no                   rank by rank             any rank's             the sum over ranks, weighted once
import { coordsOf, type Mesh, rankAt, worldSize } from '../src/mesh/mesh.ts';
import { grad } from '../src/ops/grad.ts';
import type { NdArray } from '../src/program/program.ts';
import { elements, type Program, type Shape, type Trace, type Value } from '../src/program/program.ts';
import { finish, input, startTrace } from '../src/program/trace.ts';
import { type AxisType, cutOf, dualTypes, type TypedAxis, type Types, typedAxes } from '../src/program/types.ts';
import { randomNumbers } from './random-numbers.ts';
import { type Ranks, simulate } from './simulate.ts';

/** A program's input: its local shape, its types, and for integers the number below which they are drawn. */
export interface Given {
  readonly shape: Shape;
  readonly types: Types;
  /** A float that has no gradient by design. */
  readonly constant?: true;
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
  /** Largest difference between a gradient and its finite difference, over the largest gradient (or one). */
  readonly error: number;
  /** Rank 0's program, forward and backward. */
  readonly program: Program;
  /** Values compared. */
  readonly compared: number;
}

type Is = (type: AxisType) => boolean;
const isR: Is = (type) => type === 'R';
const varies: Is = (type) => type === 'L' || cutOf(type) !== undefined;
const differs: Is = (type) => varies(type) || type === 'P';
/** Where the loss takes each rank's result apart. */
const apart: Is = (type) => varies(type) || isR(type);

export function checkGradients(check: Check): Checked {
  const { mesh, given, step = 1e-4 } = check;
  const traced = ranksOf(mesh).map((rank) => traceRank(check, rank));
  const backward = traced.map((one) => one.backward);
  const { results } = traced[0]!;
  const random = randomNumbers(3);
  const signed = () => 2 * random() - 1;
  const inputs = drawAll(mesh, Object.entries(given), ({ types, shape, below }) =>
    draw(mesh, shape, types, differs, () => (below === undefined ? signed() : Math.floor(random() * below))),
  );
  const weights = drawAll(mesh, named(results, 'dy'), ({ shape, types }) => draw(mesh, shape, types, apart, signed));

  const forward = traced.map((one) => one.forward);
  const loss = (values: Ranks) => lossOf(mesh, results, weights, simulate(mesh, forward, values));
  const gradients = simulate(
    mesh,
    backward,
    inputs.map((values, rank) => ({ ...values, ...weights[rank]! })),
  );
  let largest = 1;
  let worst = 0;
  let compared = 0;
  for (const [name, { shape, types }] of Object.entries(given).filter(([, each]) => isDifferentiable(each)))
    for (const alike of classes(mesh, types, differs))
      for (let i = 0; i < elements(shape); i++) {
        const moved = (by: number) =>
          loss(inputs.map((own, rank) => (alike.includes(rank) ? nudge(own, name, i, by) : own)));
        const numeric = (moved(step) - moved(-step)) / (2 * step);
        for (const summands of classes(mesh, types, (type) => !isR(type)).filter(([first]) => alike.includes(first!))) {
          const gradient = summands.reduce((sum, rank) => sum + (gradients[rank]![`d${name}`]?.data[i] ?? 0), 0);
          largest = Math.max(largest, Math.abs(numeric));
          worst = Math.max(worst, Math.abs(gradient - numeric));
          compared += 1;
        }
      }
  return { error: worst / largest, program: backward[0]!, compared };
}

const isDifferentiable = ({ below, constant }: Given): boolean => below === undefined && !constant;

const named = <T>(items: readonly T[], letter: string) =>
  items.map((item, index) => [`${letter}${index}`, item] as const);

const ranksOf = (mesh: Mesh) => Array.from({ length: worldSize(mesh) }, (_, rank) => rank);

/** A rank's forward program, and the one that goes on to the gradients of all float inputs. */
function traceRank({ mesh, given, write }: Check, rank: number) {
  const trace = startTrace(mesh, coordsOf(mesh, rank));
  const values = Object.fromEntries(
    Object.entries(given).map(([name, { shape, types, below }]) => [
      name,
      input(trace, shape, types, below === undefined ? 'float' : 'int'),
    ]),
  );
  const results = write(values, trace);
  const forward = finish(trace, values, Object.fromEntries(named(results, 'y')));
  const seeds = results.map((value) => ({ value, gradient: input(trace, value.shape, dualTypes(value.types)) }));
  const wrt = Object.entries(values).filter(([name]) => isDifferentiable(given[name]!));
  const gradients = grad(
    trace,
    seeds,
    wrt.map(([, value]) => value),
  );
  const outputs = wrt.flatMap(([name], index) => (gradients[index] ? [[`d${name}`, gradients[index]] as const] : []));
  const seedInputs = Object.fromEntries(
    named(
      seeds.map(({ gradient }) => gradient),
      'dy',
    ),
  );
  return { results, forward, backward: finish(trace, { ...values, ...seedInputs }, Object.fromEntries(outputs)) };
}

/** Groups of ranks alike on every axis where `is` holds for the type; a group's first rank stands for it. */
function classes(mesh: Mesh, types: Types, is: Is): number[][] {
  const groups = new Map<number, number[]>();
  for (const rank of ranksOf(mesh)) {
    const coords: Record<TypedAxis | 'pp', number> = { ...coordsOf(mesh, rank) };
    for (const axis of typedAxes) if (!is(types[axis] ?? 'R')) coords[axis] = 0;
    const first = rankAt(mesh, coords);
    groups.set(first, [...(groups.get(first) ?? []), rank]);
  }
  return [...groups.values()];
}

/** The same numbers on ranks of a class, different ones on the others; by rank. */
function draw(mesh: Mesh, shape: Shape, types: Types, is: Is, number: () => number): NdArray[] {
  const drawn: NdArray[] = [];
  for (const alike of classes(mesh, types, is)) {
    const array = { shape, data: Float64Array.from({ length: elements(shape) }, number) };
    for (const rank of alike) drawn[rank] = array;
  }
  return drawn;
}

function drawAll<T>(mesh: Mesh, entries: readonly (readonly [string, T])[], drawOne: (of: T) => NdArray[]): Ranks {
  const columns = entries.map(([name, of]) => [name, drawOne(of)] as const);
  return ranksOf(mesh).map((rank) => Object.fromEntries(columns.map(([name, held]) => [name, held[rank]!] as const)));
}

const nudge = (own: Ranks[number], name: string, index: number, by: number): Ranks[number] => {
  const { shape, data } = own[name]!;
  return { ...own, [name]: { shape, data: data.map((value, i) => (i === index ? value + by : value)) } };
};

function lossOf(mesh: Mesh, results: readonly Value[], weights: Ranks, outputs: Ranks): number {
  let total = 0;
  for (const rank of ranksOf(mesh))
    for (const [index, { types }] of results.entries()) {
      const again = typedAxes.some((axis) => types[axis] === 'I' && coordsOf(mesh, rank)[axis] > 0);
      if (again) continue;
      const { data } = weights[rank]![`dy${index}`]!;
      total += outputs[rank]![`y${index}`]!.data.reduce((sum, value, i) => sum + value * data[i]!, 0);
    }
  return total;
}
