// Tensor-parallel programs that are right: as text, against one rank, and their gradients against finite differences.
import { describe, expect, test } from 'vitest';
import { coordsOf, type Mesh, worldSize } from '../src/mesh/mesh.ts';
import { print } from '../src/program/print.ts';
import type { NdArray } from '../src/program/program.ts';
import { elements, type Value } from '../src/program/program.ts';
import { finish, input, startTrace } from '../src/program/trace.ts';
import { type Types, typedAxes, varyingDim } from '../src/program/types.ts';
import { changedLines } from './changed-lines.ts';
import { type Check, checkGradients, type Given } from './check-gradients.ts';
import { randomNumbers } from './random-numbers.ts';
import { gpt, mlp, sharedKeys } from './right-programs.ts';
import { runProgram } from './run-graph.ts';
import { share, simulate } from './simulate.ts';

type Write = Check['write'];
const one: Mesh = { tp: 1, cp: 1, ep: 1, dp: 1, pp: 1 };

/** What a rank holds of a whole tensor. */
const shapeOn = (mesh: Mesh, shape: readonly number[], types: Types) =>
  shape.map((size, dim) => typedAxes.reduce((n, axis) => (types[axis] === `V${dim}` ? n / mesh[axis] : n), size));

/** Whole shapes and types -> what each rank is given. */
const onMesh = (mesh: Mesh, whole: Readonly<Record<string, Given>>): Record<string, Given> =>
  Object.fromEntries(
    Object.entries(whole).map(([name, given]) => [name, { ...given, shape: shapeOn(mesh, given.shape, given.types) }]),
  );

/** Result 0 of every rank, from the same whole inputs. */
function results(mesh: Mesh, whole: Readonly<Record<string, Given>>, write: Write): { value: Value; data: NdArray }[] {
  const random = randomNumbers(9);
  const numbers = Object.entries(whole).map(([name, { shape, below }]) => {
    const data = Float64Array.from({ length: elements(shape) }, () =>
      below === undefined ? 2 * random() - 1 : Math.floor(random() * below),
    );
    return [name, { shape, data }] as const;
  });
  const traced = Array.from({ length: worldSize(mesh) }, (_, rank) => {
    const coords = coordsOf(mesh, rank);
    const trace = startTrace(mesh, coords);
    const values = Object.fromEntries(
      Object.entries(onMesh(mesh, whole)).map(([name, { shape, types, below }]) => [
        name,
        input(trace, shape, types, below === undefined ? 'float' : 'int'),
      ]),
    );
    const own = numbers.map(([name, array]) => {
      const cut = typedAxes.reduce((part, axis) => {
        const dim = varyingDim(whole[name]!.types[axis] ?? 'R');
        return dim === undefined ? part : share(part, dim, coords[axis], mesh[axis]);
      }, array as NdArray);
      return [name, cut] as const;
    });
    const y = write(values, trace)[0]!;
    return { program: finish(trace, values, { y }), y, inputs: Object.fromEntries(own) };
  });
  const outputs = simulate(
    mesh,
    traced.map(({ program }) => program),
    traced.map(({ inputs }) => inputs),
  );
  return traced.map(({ y }, rank) => ({ value: y, data: outputs[rank]!.y! }));
}

/** The largest difference from one rank's result, of results that are slices (V) or whole (R, I). */
function differenceFromOneRank(mesh: Mesh, whole: Readonly<Record<string, Given>>, write: Write): number {
  const [alone] = results(one, whole, write);
  const differences = results(mesh, whole, write).map(({ value, data }, rank) => {
    const expected = typedAxes.reduce((part, axis) => {
      const dim = varyingDim(value.types[axis] ?? 'R');
      return dim === undefined ? part : share(part, dim, coordsOf(mesh, rank)[axis], mesh[axis]);
    }, alone!.data);
    expect(data.shape).toEqual(expected.shape);
    return Math.max(...data.data.map((number, index) => Math.abs(number - expected.data[index]!)));
  });
  return Math.max(...differences);
}

const programs = [
  { name: 'SwiGLU MLP', ...mlp(false) },
  { name: 'SwiGLU MLP with sp', ...mlp(true) },
  { name: 'a whole GPT with its loss', ...gpt(false) },
  { name: 'a whole GPT with its loss, with sp', ...gpt(true) },
  { name: 'key-value heads shared by ranks', ...sharedKeys },
];
const meshes = [
  { tp: 2, dp: 1 },
  { tp: 1, dp: 2 },
  { tp: 2, dp: 2 },
].map((sizes) => ({ ...one, ...sizes }));

describe.each(programs)('$name', ({ whole, write }) => {
  test.each(meshes)('equals one rank on tp=$tp dp=$dp', (mesh) => {
    // Rounding of f64 in another order of sums.
    expect(differenceFromOneRank(mesh, whole, write)).toBeLessThan(1e-13);
  });
  test.each(meshes)('has the gradient of finite differences on tp=$tp dp=$dp', (mesh) => {
    // Truncation: step² · third derivatives, about 1e-8 of the gradient.
    const { error } = checkGradients({ mesh, given: onMesh(mesh, whole), write, step: 3e-5 });
    expect(error).toBeLessThan(1e-7);
  });
  test('runs through ONNX Runtime as by reference on one rank, forward and backward', async () => {
    const { program } = checkGradients({ mesh: one, given: whole, write });
    const random = randomNumbers(21);
    const inputs = Object.fromEntries(
      Object.entries(program.inputs).map(([name, { shape }]) => {
        const below = whole[name]?.below;
        const number = () => (below === undefined ? 2 * random() - 1 : Math.floor(random() * below));
        return [name, { shape, data: Float64Array.from({ length: elements(shape) }, number) }];
      }),
    );
    const [expected] = simulate(one, [program], [inputs]);
    // Rounding of f64, and of f32 through a dozen layers.
    for (const [precision, tolerance] of [
      ['f64', 1e-12],
      ['f32', 1e-4],
    ] as const) {
      const { outputs } = await runProgram(program, precision, inputs);
      for (const [name, { data }] of Object.entries(expected!)) {
        const most = Math.max(1, ...data.map(Math.abs));
        const worst = Math.max(...data.map((value, index) => Math.abs(value - outputs[name]!.data[index]!)));
        expect(worst / most, `${name} in ${precision}`).toBeLessThan(tolerance);
      }
    }
  });
});

function mlpAsText(sp: boolean): string {
  const mesh = { ...one, tp: 2 };
  const { whole, write } = mlp(sp);
  return print(checkGradients({ mesh, given: onMesh(mesh, whole), write }).program);
}

test('an MLP without sp, as text: enter and all-reduce, each once a way', () => {
  expect(mlpAsText(false)).toMatchInlineSnapshot(`
    "in %0 [2, 6, 4] {tp:I}  x
    in %1 [4] {tp:I}  gain
    in %2 [3, 4] {tp:V0}  gate
    in %3 [3, 4] {tp:V0}  up
    in %4 [4, 3] {tp:V1}  down
    in %5 [2, 6, 4] {tp:I}  dy0
      %6 [2, 6, 4] {tp:I}, %7 [2, 6, 1] {tp:I} = rmsNorm(%0, %1, epsilon=0.000001)  # mlp
      %8 [2, 6, 4] {tp:R} = enter(%6, axes=tp)  # mlp
      %9 [2, 6, 3] {tp:V2} = linear(%8, %2, order=out,in)  # mlp
      %10 [2, 6, 3] {tp:V2} = linear(%8, %3, order=out,in)  # mlp
      %11 [2, 6, 3] {tp:V2} = swiglu(%9, %10)  # mlp
      %12 [2, 6, 4] {tp:P} = linear(%11, %4, order=out,in)  # mlp
      %13 [2, 6, 4] {tp:I} = allReduce(%12, axes=tp, reduce=sum, to=I)  # mlp
      %14 [2, 6, 4] {tp:I} = add(%0, %13)  # mlp
      %15 [2, 6, 4] {tp:R} = enter(%5, axes=tp)  # mlp
      %16 [2, 6, 3] {tp:V2} = linear(%15, %4, order=in,out)  # mlp
      %17 [4, 3] {tp:V1} = outerSum(%15, %11)  # mlp
      %18 [2, 6, 3] {tp:V2}, %19 [2, 6, 3] {tp:V2} = swigluGrad(%16, %9, %10)  # mlp
      %20 [2, 6, 4] {tp:P} = linear(%19, %3, order=in,out)  # mlp
      %21 [3, 4] {tp:V0} = outerSum(%19, %8)  # mlp
      %22 [2, 6, 4] {tp:P} = linear(%18, %2, order=in,out)  # mlp
      %23 [3, 4] {tp:V0} = outerSum(%18, %8)  # mlp
      %24 [2, 6, 4] {tp:P} = add(%20, %22)  # mlp
      %25 [2, 6, 4] {tp:I} = allReduce(%24, axes=tp, reduce=sum, to=I)  # mlp
      %26 [2, 6, 4] {tp:I}, %27 [4] {tp:I} = rmsNormGrad(%25, %0, %1, %7)  # mlp
      %28 [2, 6, 4] {tp:I} = add(%5, %26)  # mlp
    out %28  dx
    out %27  dgain
    out %23  dgate
    out %21  dup
    out %17  ddown"
  `);
});

test('with sp: all-gather and reduce-scatter, each once a way', () => {
  expect(changedLines(mlpAsText(false), mlpAsText(true))).toMatchInlineSnapshot(`
    "in %0 [2, 3, 4] {tp:V1}  x
    in %1 [4] {tp:R}  gain
    in %5 [2, 3, 4] {tp:V1}  dy0
      %6 [2, 3, 4] {tp:V1}, %7 [2, 3, 1] {tp:V1} = rmsNorm(%0, %1, epsilon=0.000001)  # mlp
      %8 [2, 6, 4] {tp:R} = allGather(%6, axes=tp, dim=1, ranks=2, to=R)  # mlp
      %13 [2, 3, 4] {tp:V1} = reduceScatter(%12, axes=tp, dim=1, ranks=2)  # mlp
      %14 [2, 3, 4] {tp:V1} = add(%0, %13)  # mlp
      %15 [2, 6, 4] {tp:R} = allGather(%5, axes=tp, dim=1, ranks=2, to=R)  # mlp
      %25 [2, 3, 4] {tp:V1} = reduceScatter(%24, axes=tp, dim=1, ranks=2)  # mlp
      %26 [2, 3, 4] {tp:V1}, %27 [4] {tp:P} = rmsNormGrad(%25, %0, %1, %7)  # mlp
      %28 [2, 3, 4] {tp:V1} = add(%5, %26)  # mlp"
  `);
});
