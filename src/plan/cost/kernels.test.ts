import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { KernelShape } from '../../program/kernel-shape.ts';
import { deviceOf, devices } from '../hardware/catalogue/devices.ts';
import { formatBytes, type NumberFormat, rateOf } from '../hardware/number-format.ts';
import { kernelParameters } from './architectures.ts';
import type { KernelFormats } from './cost-model.ts';
import { kernelSeconds, secondsWith } from './kernels.ts';
import { sustainedShare } from './sustained.ts';

const bf16: KernelFormats = { products: 'bf16', activations: 'bf16' };
const size = fc.integer({ min: 1, max: 40_000 });
const few = fc.integer({ min: 1, max: 64 });
const gpu = fc.constantFrom(...devices.filter(({ flopsPerSecond }) => flopsPerSecond.bf16 !== undefined));

const kernel: fc.Arbitrary<KernelShape> = fc.oneof(
  fc.record({ kind: fc.constant('matmul' as const), batch: few, m: size, n: size, k: size }),
  fc.record({
    kind: fc.constant('matmul' as const),
    batch: fc.constant(1),
    m: size,
    n: size,
    k: size,
    accumulates: fc.constant(true as const),
  }),
  fc.record({ kind: fc.constant('grouped' as const), groups: few, rows: size, n: size, k: size }),
  fc.record({ kind: fc.constant('memory' as const), floats: size, bytes: size }),
  fc
    .record({ batch: few, kvHeads: few, queries: size, more: fc.nat(10_000), back: fc.boolean() })
    .map(({ batch, kvHeads, queries, more, back }) => ({
      kind: 'attention' as const,
      pass: back ? ('backward' as const) : ('forward' as const),
      batch,
      heads: 4 * kvHeads,
      kvHeads,
      headDim: 128,
      valueDim: 128,
      queries,
      keys: queries + more,
      scores: queries * more + (queries * (queries + 1)) / 2,
    })),
);

/** FLOPs of products. */
function flopsOf(of: KernelShape): number {
  switch (of.kind) {
    case 'matmul':
      return 2 * of.batch * of.m * of.n * of.k;
    case 'grouped':
      return 2 * of.rows * of.n * of.k;
    case 'attention':
      return 2 * of.batch * of.heads * of.scores * (of.headDim + of.valueDim) * (of.pass === 'forward' ? 1 : 2.5);
    case 'memory':
      return 0;
  }
}

test('no kernel is faster than its device: neither than its peak, nor than its memory', () => {
  fc.assert(
    fc.property(kernel, gpu, (of, device) => {
      const seconds = kernelSeconds(of, device, bf16);
      expect(seconds).toBeGreaterThanOrEqual(flopsOf(of) / device.flopsPerSecond.bf16!);
      const least = of.kind === 'matmul' ? 2 * of.batch * (of.m * of.k + of.k * of.n + of.m * of.n) : 0;
      expect(seconds).toBeGreaterThanOrEqual(least / device.memoryBytesPerSecond);
    }),
  );
});

test('twice as many of a kernel take about as long, up to twice as long', () => {
  fc.assert(
    fc.property(kernel, gpu, (any, device) => {
      // A product by itself is done by other kernels than those of a batch.
      const of: KernelShape = any.kind === 'matmul' ? { ...any, batch: any.batch + 1 } : any;
      const doubled: KernelShape =
        of.kind === 'matmul' || of.kind === 'attention'
          ? { ...of, batch: 2 * of.batch }
          : of.kind === 'grouped'
            ? { ...of, groups: 2 * of.groups, rows: 2 * of.rows }
            : { ...of, floats: 2 * of.floats, bytes: 2 * of.bytes };
      const [once, twice] = [kernelSeconds(of, device, bf16), kernelSeconds(doubled, device, bf16)];
      // Not exactly: a wave may begin that is nearly empty.
      expect(twice).toBeGreaterThanOrEqual(0.8 * once);
      expect(twice).toBeLessThanOrEqual(2.6 * once);
    }),
  );
});

test('a product of aligned sizes takes as long with its sides exchanged', () => {
  const aligned = fc.integer({ min: 1, max: 600 }).map((x) => 64 * x);
  fc.assert(
    fc.property(aligned, aligned, aligned, gpu, (m, n, k, device) => {
      const there = kernelSeconds({ kind: 'matmul', batch: 1, m, n, k }, device, bf16);
      expect(kernelSeconds({ kind: 'matmul', batch: 1, m: n, n: m, k }, device, bf16)).toBeCloseTo(there, 12);
    }),
  );
});

// A100: 108 multiprocessors. Sizes by tiles of 256 · 128.
const byTiles = (long: number, short: number): KernelShape => ({
  ...{ kind: 'matmul', batch: 1 },
  ...{ m: 256 * long, n: 128 * short, k: 8192 },
});

test('a last wave of tiles that is nearly empty costs what is waited for of it, and a full one nothing', () => {
  const seconds = (of: KernelShape) =>
    [0, 0.5, 1].map((tail) =>
      secondsWith({ ...kernelParameters.ampere, tail }, of, deviceOf('a100'), bf16, { sustained: 1 }),
    );
  // 110 tiles, or more of those that are smaller: no number of them is a multiple of 108.
  const [none, half, all] = seconds(byTiles(10, 11)) as [number, number, number];
  expect(half).toBeGreaterThan(1.05 * none);
  expect(all).toBeGreaterThan(1.05 * half);
  // 216 tiles, or 432, 864, ..
  expect(new Set(seconds(byTiles(18, 12))).size).toBe(1);
});

test('as measured, 99 tiles and 209 fill an A100 better than 110', () => {
  const perTile = (long: number, short: number) =>
    kernelSeconds(byTiles(long, short), deviceOf('a100'), bf16) / (long * short);
  expect(perTile(9, 11)).toBeLessThan(perTile(10, 11));
  expect(perTile(19, 11)).toBeLessThan(perTile(10, 11));
});

test('sizes that start rows at cache lines are worth fewer FLOPs: hidden 14336 over tp=8 against 14400 on an A100', () => {
  const block = (hidden: number, device: string) => {
    const part = hidden / 8;
    const products: [number, number][] = [
      [3 * part, hidden],
      [hidden, part],
      [4 * part, hidden],
      [hidden, 4 * part],
    ];
    const seconds = products.map(([n, k]) =>
      kernelSeconds({ kind: 'matmul', batch: 1, m: 2048, n, k }, deviceOf(device), bf16),
    );
    return seconds.reduce((a, b) => a + b) / hidden ** 2;
  };
  expect(block(14400, 'a100') / block(14336, 'a100')).toBeGreaterThan(1.15);
  expect(block(14400, 'a100') / block(14336, 'a100')).toBeLessThan(1.45);
  expect(block(14400, 'h100') / block(14336, 'h100')).toBeLessThan(1.15);
});

test('one token at a time is bound by weights: as many times faster as they are narrower', () => {
  const of: KernelShape = { kind: 'matmul', batch: 1, m: 1, n: 65_536, k: 16_384 };
  const h100 = deviceOf('h100');
  const wide = kernelSeconds(of, h100, bf16);
  const bandwidth = (of.n * of.k * 2) / wide / h100.memoryBytesPerSecond;
  expect(bandwidth).toBeGreaterThan(0.75);
  expect(bandwidth).toBeLessThan(0.95);
  for (const weights of ['fp8', 'int8', 'int4', 'mxfp4'] as const) {
    const narrow = kernelSeconds(of, h100, { ...bf16, weights });
    expect(narrow / wide).toBeCloseTo(formatBytes[weights] / 2, 1);
  }
});

test('one query at a time is bound by keys and values, whatever heads share them', () => {
  const decode = (heads: number, attention: NumberFormat) =>
    kernelSeconds(
      {
        kind: 'attention',
        pass: 'forward',
        batch: 64,
        heads,
        kvHeads: 8,
        headDim: 128,
        valueDim: 128,
        queries: 1,
        keys: 16_384,
        scores: 16_384,
      },
      deviceOf('h100'),
      { ...bf16, attention },
    );
  expect(decode(64, 'bf16') / decode(8, 'bf16')).toBeLessThan(1.1);
  expect(decode(8, 'fp8') / decode(8, 'bf16')).toBeCloseTo(0.5, 1);
});

// Published figures that nothing was fitted to, in TFLOP/s: the best shape of each GPU (stas00/ml-engineering, CC BY-SA 4.0).
test.each([
  ['a100', 271.2, 1024, 10240, 5120],
  ['a100-80-pcie', 252.9, 2048, 5120, 6144],
  ['h100', 794.5, 2048, 2048, 13312],
  ['b200', 1745, 1792, 16128, 3072],
  ['gb200', 1822, 4096, 9728, 2048],
  ['b300', 1769, 12288, 18432, 1024],
] as const)('%s: its best product is within a tenth of the published', (name, tera, m, n, k) => {
  const seconds = kernelSeconds({ kind: 'matmul', batch: 1, m, n, k }, deviceOf(name), bf16);
  expect(Math.abs((2 * m * n * k) / seconds / (tera * 1e12) - 1)).toBeLessThan(0.1);
});

// FlashAttention-3, figures 5 and 6 (arXiv 2407.08608), TFLOP/s at 2,048, 4,096, 8,192 and 16,384 tokens of 16,384, hidden size 2,048.
test.each([
  ['forward', 128, false, [625, 638, 646, 648]],
  ['forward', 128, true, [521, 579, 602, 616]],
  ['forward', 64, false, [460, 476, 496, 497]],
  ['backward', 128, false, [501, 542, 559, 561]],
  ['backward', 64, false, [422, 453, 472, 474]],
] as const)(
  'attention %s on an H100, heads of %i, causal %s: within 15 %% of the published',
  (pass, headDim, causal, published) => {
    for (const [at, tera] of published.entries()) {
      const queries = 2048 << at;
      const scores = causal ? (queries * (queries + 1)) / 2 : queries ** 2;
      const heads = 2048 / headDim;
      const batch = 16_384 / queries;
      const dims = { headDim, valueDim: headDim, queries, keys: queries, scores };
      const seconds = kernelSeconds(
        { kind: 'attention', pass, batch, heads, kvHeads: heads, ...dims },
        deviceOf('h100'),
        bf16,
      );
      const flops = 4 * batch * heads * headDim * scores * (pass === 'forward' ? 1 : 2.5);
      expect(Math.abs(flops / seconds / (tera * 1e12) - 1)).toBeLessThan(0.15);
    }
  },
);

test('a device that lacks power for its peak sustains a share of it, and only products pay', () => {
  const h100 = deviceOf('h100');
  const sustained = sustainedShare(h100, 'bf16');
  expect(sustained).toBeLessThan(0.95);
  expect(sustainedShare({ ...h100, watts: 2 * h100.watts! }, 'bf16')).toBe(1);
  const product: KernelShape = { kind: 'matmul', batch: 1, m: 8192, n: 8192, k: 8192 };
  const ratio = kernelSeconds(product, h100, bf16) / kernelSeconds(product, h100, bf16, { sustained });
  expect(ratio).toBeCloseTo(sustained, 1);
  const moved: KernelShape = { kind: 'memory', floats: 1e9, bytes: 0 };
  expect(kernelSeconds(moved, h100, bf16, { sustained })).toBe(kernelSeconds(moved, h100, bf16));
});

test('every device has a rate for each of its formats, and no other', () => {
  const of: KernelShape = { kind: 'matmul', batch: 1, m: 512, n: 512, k: 512 };
  for (const device of devices) {
    for (const products of Object.keys(rateOf) as NumberFormat[]) {
      const ask = () => kernelSeconds(of, device, { products, activations: products });
      if (device.flopsPerSecond[rateOf[products]] === undefined) {
        expect(ask).toThrow(expect.objectContaining({ code: 'DEVICE_FORMAT' }));
      } else expect(ask()).toBeGreaterThan(0);
    }
  }
});
