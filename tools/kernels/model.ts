// The kernel model with numbers that are being fitted: its own, and those of how a table was measured, which it does not keep.
import type { KernelParameters } from '../../src/plan/cost/kernel-parameters.ts';
import { secondsWith } from '../../src/plan/cost/kernels.ts';
import { sustainedShare } from '../../src/plan/cost/sustained.ts';
import type { Architecture } from '../../src/plan/hardware/device.ts';
import { formatBytes } from '../../src/plan/hardware/number-format.ts';
import type { Row } from './rows.ts';

export type Values = Readonly<Record<string, number>>;
export type Bounds = Readonly<Record<string, readonly [number, number]>>;

export const formats = ['bf16', 'fp8', 'mxfp8', 'nvfp4'] as const;

/** Where each number starts, and where it may go. */
const own: Readonly<Record<string, readonly [number, number, number]>> = {
  launchSeconds: [3e-6, 2e-6, 6e-6],
  memoryShare: [0.85, 0.6, 0.95],
  cacheRatio: [4, 3, 12],
  exposed: [0.1, 0.02, 0.35],
  tail: [0.2, 0.03, 0.8],
  scoreFlops: [200, 50, 1000],
  rampKeys: [200, 20, 500],
  attentionSeconds: [5e-6, 1e-6, 12e-6],
  attentionNarrow: [1, 0.5, 2],
};
const ofFormat: Readonly<Record<string, readonly [number, number, number]>> = {
  share: [0.75, 0.2, 0.92],
  rampDepth: [100, 10, 700],
  groupedShare: [0.7, 0.1, 1],
};

/**
 * Products of attention reach as much of the peak as those of matrices, and what is lost is what a score costs besides: on H100, 497, 648
 * and 740 TFLOP/s with heads of 64, 128 and 256 (arXiv 2407.08608) are one line of seconds over the size of heads, with this slope.
 */
const attentionShare = 0.92;

/** Of how tables were measured: kernels that take long are measured hot, narrowing is the stack's own, a mixture has more kernels. */
const ofTables: Readonly<Record<string, readonly [number, number, number]>> = {
  hot: [0.1, 0.001, 0.6],
  narrowing: [1, 0.1, 8],
  writing: [1, 0.3, 6],
  besidePasses: [2, 0.1, 10],
  besideSeconds: [1e-5, 1e-6, 4e-5],
};
const hotSeconds = 5e-3;
/** Its power limits it from the first products on. */
const limited = new Set(['l40s']);

export const groupsOf = {
  matmul: [
    'launchSeconds',
    'memoryShare',
    'cacheRatio',
    'exposed',
    'tail',
    ...formats.flatMap((f) => [`${f}.share`, `${f}.rampDepth`]),
  ],
  attention: ['scoreFlops', 'rampKeys', 'attentionSeconds', 'attentionNarrow'],
  grouped: formats.map((f) => `${f}.groupedShare`),
};

const kindOf = (name: string) => own[name] ?? ofFormat[name.split('.')[1]!] ?? ofTables[name.split('.')[0]!]!;
export const startOf = (names: readonly string[]): Record<string, number> =>
  Object.fromEntries(names.map((name) => [name, kindOf(name)[0]]));
export const boundsOf = (names: readonly string[]): Bounds =>
  Object.fromEntries(names.map((name) => [name, [kindOf(name)[1], kindOf(name)[2]] as const]));

/** The numbers of how a row's table was measured. */
export const tableNames = ({ table, gpu, kind }: Row): string[] =>
  table === 'gemm'
    ? [`hot.${gpu}.${kind}`, ...(kind === 'bfloat16' ? [] : [`narrowing.${kind}`])]
    : table === 'attention'
      ? kind.startsWith('prefill')
        ? [`writing.${kind}`]
        : []
      : table === 'moe'
        ? [`besidePasses.${kind}`, `besideSeconds.${kind.split(' ')[0]}`]
        : [];

/** Of libraries' kernels: those for Blackwell's data-centre GPUs work on two tiles of 128 at a time. */
const queryRowsOf: Partial<Record<Architecture, number>> = { blackwell: 256, 'blackwell-ultra': 256 };

export const parametersOf = (architecture: Architecture, values: Values): KernelParameters => ({
  launchSeconds: values.launchSeconds!,
  memoryShare: values.memoryShare!,
  cacheRatio: values.cacheRatio!,
  exposed: values.exposed!,
  tail: values.tail!,
  copiesTiles: architecture === 'hopper' || architecture.startsWith('blackwell'),
  attentionShare,
  attentionNarrow: values.attentionNarrow!,
  queryRows: queryRowsOf[architecture] ?? 128,
  scoreFlops: values.scoreFlops!,
  rampKeys: values.rampKeys!,
  attentionSeconds: values.attentionSeconds!,
  products: Object.fromEntries(
    formats.map((format) => [
      format,
      {
        share: values[`${format}.share`]!,
        rampDepth: values[`${format}.rampDepth`]!,
        groupedShare: values[`${format}.groupedShare`]!,
      },
    ]),
  ) as KernelParameters['products'],
});

/** Seconds of a row, as its table would have them. */
export function predict(parameters: KernelParameters, values: Values, row: Row): number {
  const { device } = row;
  const { memoryShare } = parameters;
  let beside = 0;
  if (row.table === 'moe') {
    const passes = values[`besidePasses.${row.kind}`] ?? 2;
    beside =
      (values[`besideSeconds.${row.kind.split(' ')[0]}`] ?? 1e-5) +
      (2 * passes * row.beside!) / (device.memoryBytesPerSecond * memoryShare);
  }
  const [first, second] = row.kernels;
  const writing = values[`writing.${row.kind}`];
  if (writing !== undefined && second)
    beside += (writing - 1) * secondsWith(parameters, second, device, row.formats, { sustained: 1 });
  const narrowing = values[`narrowing.${row.kind}`];
  if (narrowing !== undefined && first?.kind === 'matmul') {
    const bytes = first.m * first.k * (2 + formatBytes[row.formats.products]);
    beside += ((narrowing - 1) * bytes) / (device.memoryBytesPerSecond * memoryShare);
  }
  const at = (sustained: number) =>
    row.kernels.reduce(
      (sum, kernel) => sum + secondsWith(parameters, kernel, device, row.formats, { sustained }),
      beside,
    );
  const start = limited.has(row.gpu) ? sustainedShare(device, 'bf16') : 1;
  const cool = at(start);
  const hot = values[`hot.${row.gpu}.${row.kind}`];
  return hot === undefined ? cool : at(start * (1 - (hot * cool) / (cool + hotSeconds)));
}
