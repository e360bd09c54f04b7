// The ops that end a training step: sums of squares, what counts once, sums over stages, and the optimizer.
import { elements, expectShape, type NdArray, type Op, type TensorShape, type Value } from '../program/program.ts';
import { apply, record } from '../program/trace.ts';
import { mapTypes, type TypedAxis } from '../program/types.ts';
import { expectSame, ndarray } from './shapes.ts';

const double: TensorShape = { shape: [1], dtype: 'double' };
const floatOf = ({ shape }: TensorShape): TensorShape => ({ shape, dtype: 'float' });

const sumSquaresOp: Op = {
  name: 'sumSquares',
  shape: ([x]) => {
    expectShape(x!.shape.length === 1, `needs a vector, got [${x!.shape}]`);
    return [double];
  },
  typing: { dims: 'n -> 1' },
  execution: { by: 'kernel' },
  reference: ([x]) => [ndarray([1], () => x!.data.reduce((sum, value) => sum + value * value, 0))],
};

/** I -> P: counts on the first rank of the axes alone, so that a sum over them has it once. */
const onFirstOp: Op<{ axes: readonly TypedAxis[]; counts: boolean }> = {
  name: 'onFirst',
  shape: ([x]) => [x!],
  execution: {
    by: 'host',
    run: ([x], [out], { counts }) => {
      if (counts) out!.set(x!);
      else out!.fill(0);
    },
  },
  reference: ([x], { counts }) => [ndarray(x!.shape, (i) => (counts ? x!.data[i]! : 0))],
};

const totalOp: Op = {
  name: 'total',
  shape: (operands) => {
    expectShape(
      operands.every(({ shape, dtype }) => shape.join() === '1' && dtype === 'double'),
      'adds doubles of one element',
    );
    return [double];
  },
  typing: (operands) => ({ dims: `${operands.map(() => '1').join(', ')} -> 1`, linear: 'all' }),
  execution: {
    by: 'host',
    run: (operands, [out]) => {
      out![0] = operands.reduce((sum, operand) => sum + operand[0]!, 0);
    },
  },
  reference: (operands) => [ndarray([1], () => operands.reduce((sum, { data }) => sum + data[0]!, 0))],
};

/** 1 / x, or of 1 where nothing was counted. */
const reciprocalOp: Op = {
  name: 'reciprocal',
  shape: ([x]) => [floatOf(x!)],
  typing: { dims: 'n -> n' },
  execution: {
    by: 'host',
    run: ([x], [out]) => {
      for (let i = 0; i < out!.length; i++) out![i] = 1 / Math.max(1, x![i]!);
    },
  },
  reference: ([x]) => [ndarray(x!.shape, (i) => 1 / Math.max(1, x!.data[i]!))],
};

const squareRootOp: Op = {
  name: 'squareRoot',
  shape: ([x]) => [x!],
  typing: { dims: 'n -> n' },
  execution: {
    by: 'host',
    run: ([x], [out]) => {
      for (let i = 0; i < out!.length; i++) out![i] = Math.sqrt(x![i]!);
    },
  },
  reference: ([x]) => [ndarray(x!.shape, (i) => Math.sqrt(x!.data[i]!))],
};

/** The sum over the stages of the pipeline, or over its first and last: the pp axis has no types, as stages run different programs. */
const sumOverStagesOp: Op<{ axes: readonly ['pp']; ends: boolean }> = {
  name: 'sumOverStages',
  shape: ([x]) => [x!],
  execution: { by: 'transport', call: 'allReduce', how: () => ({ reduce: 'sum' }) },
};

/** What AdamW is told at every step, as one vector of doubles. */
export const optimizerSettings = [
  'learningRate',
  'beta1',
  'beta2',
  'epsilon',
  'weightDecay',
  'clipNorm',
  'biasCorrection1',
  'biasCorrection2',
] as const;
export type OptimizerNumbers = Readonly<Record<(typeof optimizerSettings)[number], number>>;

export interface AdamwAttrs {
  /** Elements [start, end) of the vector that weight decay acts on; ascending. */
  readonly decayed: readonly (readonly [start: number, end: number])[];
}

/** The optimizer's numbers out of their vector. */
export const optimizerNumbers = (settings: ArrayLike<number>): OptimizerNumbers =>
  Object.fromEntries(optimizerSettings.map((name, index) => [name, settings[index]!])) as OptimizerNumbers;

/** What gradients are multiplied by so that their norm is at most `clipNorm` (as torch's clip_grad_norm_). */
export const clipScale = (norm: number, clipNorm: number): number =>
  clipNorm > 0 ? Math.min(1, clipNorm / (norm + 1e-6)) : 1;

/** Operands: parameters, gradients, both moments, the square of the gradients' global norm, the settings. */
const adamwOp: Op<AdamwAttrs> = {
  name: 'adamw',
  shape: ([param, gradient, first, second, norm, settings]) => {
    for (const other of [gradient, first, second]) expectSame(param!, other!);
    expectShape(norm!.dtype === 'double' && elements(norm!.shape) === 1, 'needs the squared norm as one double');
    expectShape(
      settings!.dtype === 'double' && settings!.shape.join() === `${optimizerSettings.length}`,
      `needs ${optimizerSettings.length} settings as doubles, got [${settings!.shape}]`,
    );
    return [param!, first!, second!].map(floatOf);
  },
  typing: { dims: 'n, n, n, n, 1, 1 -> n, n, n' },
  inPlace: [0, 2, 3],
  execution: { by: 'kernel' },
  reference: (operands, attrs) => adamwReference(operands, attrs),
};

function adamwReference(operands: readonly NdArray[], { decayed }: AdamwAttrs): NdArray[] {
  const [param, gradient, first, second, norm, given] = operands as [
    NdArray,
    NdArray,
    NdArray,
    NdArray,
    NdArray,
    NdArray,
  ];
  const settings = optimizerNumbers(given.data);
  const scale = clipScale(Math.sqrt(norm.data[0]!), settings.clipNorm);
  const { learningRate, beta1, beta2, epsilon, weightDecay, biasCorrection1, biasCorrection2 } = settings;
  const g = gradient.data.map((value) => value * scale);
  const m = first.data.map((value, i) => beta1 * value + (1 - beta1) * g[i]!);
  const v = second.data.map((value, i) => beta2 * value + (1 - beta2) * g[i]! ** 2);
  const decays = (i: number) => decayed.some(([start, end]) => start <= i && i < end);
  return [
    ndarray(
      param.shape,
      (i) =>
        param.data[i]! * (1 - (decays(i) ? learningRate * weightDecay : 0)) -
        (learningRate * (m[i]! / biasCorrection1)) / (Math.sqrt(v[i]! / biasCorrection2) + epsilon),
    ),
    { shape: param.shape, data: m },
    { shape: param.shape, data: v },
  ];
}

/** A vector [n] -> the sum of its squares, a double [1]. */
export const sumSquares = (x: Value): Value => apply(sumSquaresOp, [x], {})[0]!;

/** I -> P over the axes: zero but on their first rank. */
export function onFirst(x: Value, axes: readonly TypedAxis[]): Value {
  if (axes.length === 0) return x;
  const counts = axes.every((axis) => x.trace.coords[axis] === 0);
  const types = mapTypes(x.types, (type, axis) => (axes.includes(axis) ? 'P' : type));
  return record(onFirstOp, [x], { axes, counts }, [x], [types])[0]!;
}

/** The sum of doubles [1]. */
export const total = (parts: readonly Value[]): Value =>
  parts.length === 1 ? parts[0]! : apply(totalOp, parts, {})[0]!;

/** Doubles -> 1 / x as floats; where x is below 1 (nothing was counted) 1. */
export const reciprocal = (x: Value): Value => apply(reciprocalOp, [x], {})[0]!;

/** Doubles -> their square roots. */
export const squareRoot = (x: Value): Value => apply(squareRootOp, [x], {})[0]!;

/** The sum over all stages, or (`ends`) over the first and the last. */
export const sumOverStages = (x: Value, ends = false): Value =>
  record(sumOverStagesOp, [x], { axes: ['pp'], ends }, [x], [x.types])[0]!;

/** One step of AdamW with decoupled weight decay (Loshchilov and Hutter, 2019) on vectors [n], as PyTorch computes it. */
export const adamw = (
  state: { readonly param: Value; readonly gradient: Value; readonly first: Value; readonly second: Value },
  squaredNorm: Value,
  settings: Value,
  attrs: AdamwAttrs,
): { readonly param: Value; readonly first: Value; readonly second: Value } => {
  const { param, gradient, first, second } = state;
  const results = apply(adamwOp, [param, gradient, first, second, squaredNorm, settings], attrs);
  return { param: results[0]!, first: results[1]!, second: results[2]! };
};

export const finishingOps = { sumSquaresOp, onFirstOp, totalOp, reciprocalOp, squareRootOp, sumOverStagesOp, adamwOp };
