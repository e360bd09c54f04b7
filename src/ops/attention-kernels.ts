// The graphs that attention runs on one strip of queries and one part of the keys, of one key head: rows are the queries of the
// group's heads, [rows, headDim]; keys [keys, headDim], values [keys, valueDim].
import type { Kernel, KernelTensor } from '../program/program.ts';
import { hidden } from './attention-blocks.ts';
import { mergePartials } from './partial-attention.ts';

/** What masks hold for keys that are seen and for those that are not. */
export interface MaskValues {
  readonly seen: number;
  readonly unseen: number;
}

/**
 * How far below the largest a score weighs nothing in either precision: exp(-50) is 2e-22. Lower ones are raised to it, since below
 * exp(-87) numbers of 32 bits are denormal, and products of those take many times as long.
 */
const weightless = 50;

/** Added to the scores. */
export const forwardMask: MaskValues = { seen: 0, unseen: hidden };
/** Bounds the logarithms of the probabilities. */
export const backwardMask: MaskValues = { seen: -hidden, unseen: -weightless };

export interface KernelSettings {
  readonly headDim: number;
  readonly valueDim: number;
  readonly scale: number;
}

type Names = Readonly<Record<string, string>>;

/**
 * Output and log-sum-exp of a part of the keys. With `before`, those of other parts are merged in; results may lie over them. Both are
 * without meaning for a query that sees none of the keys, but its log-sum-exp is about `hidden`, which weighs nothing.
 */
export function forwardKernel(settings: KernelSettings, masked: boolean, before: boolean): Kernel {
  const { headDim: d, valueDim: e, scale } = settings;
  const state = [matrix('out', 'rows', e), matrix('lse', 'rows', 1)];
  return {
    name: `attention d=${d} e=${e} scale=${scale}${masked ? ' masked' : ''}${before ? ' after others' : ''}`,
    inputs: [
      matrix('q', 'rows', d),
      matrix('k', 'keys', d),
      matrix('v', 'keys', e),
      ...(before ? state : []),
      ...(masked ? [matrix('mask', 'rows', 'keys')] : []),
    ],
    outputs: state,
    write: (onnx, { q, k, v, out, lse, mask }) => {
      const scores = onnx.gemm(q!, k!, { m: 'rows', k: d, n: 'keys' }, { transposed: 'b', scale, ...added(mask) });
      const largest = (x: string) => onnx.add('ReduceMax', [x, onnx.int64s(-1)]);
      const most = largest(scores);
      const least = onnx.add('Sub', [most, onnx.scalar(weightless)]);
      const p = onnx.add('Softmax', [mask ? onnx.add('Max', [scores, least]) : scores], { axis: -1 });
      const own = onnx.gemm(p, v!, { m: 'rows', k: 'keys', n: e });
      // The largest probability is exp(largest score - lse), which gives lse without another pass of exponentials.
      const ownLse = onnx.add('Sub', [most, onnx.add('Log', [largest(p)])]);
      return before ? mergePartials(onnx, [own, ownLse], [out!, lse!]) : [own, ownLse];
    },
  };
}

/**
 * Adds this pair's part of the gradients of q, k and v to them, in place; without `before`, parts of other keys, that of q is written.
 * Scores are transposed [keys, rows]: of the three products that are summed then only one reads its operand transposed.
 */
export function backwardKernel(settings: KernelSettings, masked: boolean, before: boolean): Kernel {
  const { headDim: d, valueDim: e, scale } = settings;
  const [rows, keys] = [(name: string) => matrix(name, 'rows', d), (name: string) => matrix(name, 'keys', d)];
  const values = (name: string) => matrix(name, 'keys', e);
  const row = (name: string): KernelTensor => ({ name, shape: [1, 'rows'] });
  return {
    name: `attentionGrad d=${d} e=${e} scale=${scale}${masked ? ' masked' : ''}${before ? ' after others' : ''}`,
    inputs: [
      ...[rows('q'), keys('k'), values('v'), row('lse'), matrix('dSum', 'rows', e), row('dLse')],
      ...(before ? [rows('dq')] : []),
      ...[keys('dk'), values('dv')],
      ...(masked ? [matrix('mask', 'keys', 'rows')] : []),
    ],
    outputs: [rows('dq'), keys('dk'), values('dv')],
    write: (onnx, names) => {
      const { q, k, v, lse, dSum, dLse, dq, dk, dv, mask } = names as Required<Names>;
      const product = (k: number) => ({ m: 'keys', k, n: 'rows' });
      const logs = onnx.gemm(k!, q!, product(d), { transposed: 'b', scale, subtract: lse! });
      const p = onnx.add('Exp', [mask ? onnx.add('Min', [logs, mask]) : logs]);
      const dp = onnx.gemm(v!, dSum!, product(e), { transposed: 'b', add: dLse! });
      const ds = onnx.add('Mul', [p, dp]);
      const toKeys = (n: number) => ({ m: 'keys', k: 'rows', n });
      return [
        onnx.gemm(ds, k!, { m: 'rows', k: 'keys', n: d }, { transposed: 'a', scale, ...added(dq) }),
        onnx.gemm(ds, q!, toKeys(d), { scale, add: dk! }),
        onnx.gemm(p, dSum!, toKeys(e), { add: dv! }),
      ];
    },
  };
}

const matrix = (name: string, rows: string, columns: string | number): KernelTensor => ({
  name,
  shape: [rows, columns],
});

const added = (what: string | undefined): { readonly add?: string } => (what === undefined ? {} : { add: what });
