// Seconds of products of matrices: tiles dealt out to multiprocessors in waves, or the memory that they are read from.
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { Device } from '../hardware/device.ts';
import { formatBytes } from '../hardware/number-format.ts';
import type { KernelFormats } from './cost-model.ts';
import { type KernelParameters, measuredAs } from './kernel-parameters.ts';

type Shape<Kind extends KernelShape['kind']> = Extract<KernelShape, { readonly kind: Kind }>;

/** Tiles that libraries choose from, the largest first: their longer sides, which lie along the longer of rows and columns, and the others. */
const longSides = [256, 128, 128, 64, 64];
const shortSides = [128, 128, 64, 64, 16];
/** From so many waves and tiles a side on, no smaller tile leaves less undone. */
const manyWaves = 8;
/** Depth is not split into parts of fewer. */
const leastDepth = 256;
/** Of a gradient of a weight, and of partial results: sums are fp32. */
const sumBytes = 4;

/**
 * Of the rate of products whose rows in memory begin on 128 bytes, that of those whose length is an odd multiple of less. NVIDIA advises multiples
 * of 64 elements (Matrix Multiplication Background, 2023); BigScience measured 108 TFLOP/s where rows are 1,800 long and 157 where they
 * are 1,792, and steps half as long again with heads of 108 features (BLOOM's chronicles, 2022).
 */
const alignedShare: readonly number[] = [0.12, 0.12, 0.15, 0.68, 0.87, 0.95];
/** Of one product libraries choose the kernel by its lengths: nanoGPT's step on A100 took a quarter less with 50,304 words than with 50,257. */
const leastOfOne = 0.4;

/** By the greatest power of two that divides a row's length; where the device copies tiles by itself, 16 bytes do (8 elements of 2). */
const alignment = (length: number, copiesTiles: boolean): number =>
  copiesTiles && length % 8 === 0 ? 1 : (alignedShare[31 - Math.clz32(length & -length)] ?? 1);

/** `flopsPerSecond`: of all multiprocessors at best. */
export function matmulSeconds(
  { batch, m, n, k, accumulates }: Shape<'matmul'>,
  device: Device,
  formats: KernelFormats,
  parameters: KernelParameters,
  flopsPerSecond: number,
): number {
  const product = parameters.products[measuredAs[formats.products]];
  const operand = formatBytes[formats.products];
  const result = accumulates ? 2 * sumBytes : formatBytes[formats.activations];
  const second = batch === 1 && !accumulates ? weightBytes(formats) : operand;
  const bytes = batch * (m * k * operand + k * n * second + m * n * result);
  const { copiesTiles } = parameters;
  const aligned = Math.max(
    batch === 1 ? leastOfOne : 0,
    Math.min(alignment(n, copiesTiles), alignment(accumulates ? m : k, copiesTiles)),
  );
  const rate = flopsPerSecond * product.share * aligned;
  const compute = tiledSeconds(batch, m, n, k, operand, rate, device, parameters, product.rampDepth);
  const narrowing = accumulates ? 0 : narrowingSeconds(batch * m * k, device, formats, parameters);
  return narrowing + overlapped(compute, bytes, device, parameters);
}

/** Groups without rows are not read. */
export function groupedSeconds(
  { groups, rows, n, k, weights }: Shape<'grouped'>,
  device: Device,
  formats: KernelFormats,
  parameters: KernelParameters,
  flopsPerSecond: number,
  groupedShare?: number,
): number {
  const product = parameters.products[measuredAs[formats.products]];
  const operand = formatBytes[formats.products];
  const used = Math.min(groups, rows);
  const rate = flopsPerSecond * product.share * (groupedShare ?? product.groupedShare);
  if (weights) {
    const compute = tiledSeconds(used, k, n, rows / used, operand, rate, device, parameters, product.rampDepth);
    return overlapped(compute, rows * (k + n) * operand + used * k * n * 2 * sumBytes, device, parameters);
  }
  const bytes = rows * (k * operand + n * formatBytes[formats.activations]) + used * k * n * weightBytes(formats);
  const compute = tiledSeconds(used, rows / used, n, k, operand, rate, device, parameters, product.rampDepth);
  return narrowingSeconds(rows * k, device, formats, parameters) + overlapped(compute, bytes, device, parameters);
}

/** Bound by memory: a kernel that reads and writes so many bytes. */
export const movedSeconds = (bytes: number, device: Device, { launchSeconds, memoryShare }: KernelParameters): number =>
  launchSeconds + bytes / (device.memoryBytesPerSecond * memoryShare);

const weightBytes = ({ weights, products }: KernelFormats): number => formatBytes[weights ?? products];

/** Activations are read, scaled and written in the format of products, where that is narrower. */
function narrowingSeconds(
  elements: number,
  device: Device,
  { products, activations }: KernelFormats,
  parameters: KernelParameters,
): number {
  const bytes = formatBytes[products];
  const before = formatBytes[activations];
  return bytes < before ? movedSeconds(elements * (before + bytes), device, parameters) : 0;
}

/** The longer of work and memory traffic hides the other, but for a part. */
function overlapped(compute: number, bytes: number, device: Device, parameters: KernelParameters): number {
  const { launchSeconds, memoryShare, exposed } = parameters;
  const memory = bytes / (device.memoryBytesPerSecond * memoryShare);
  return launchSeconds + (compute > memory ? compute + exposed * memory : memory + exposed * compute);
}

/**
 * Seconds in which multiprocessors do `batch` products [m, k] · [k, n], with the tiles that do it soonest. The depth of few tiles is halved
 * until no more parts fit at once, or once more, which takes a second round: so twice as many products never take much more than twice
 * as long, whatever number of them just fits.
 * `operand`: bytes of an element as it is multiplied; `flopsPerSecond`: of all multiprocessors, on whole tiles of much depth.
 */
function tiledSeconds(
  batch: number,
  m: number,
  n: number,
  k: number,
  operand: number,
  flopsPerSecond: number,
  device: Device,
  { cacheRatio, tail }: KernelParameters,
  rampDepth: number,
): number {
  const units = device.multiprocessors;
  const perFlop = units / flopsPerSecond;
  const perByte = units / (device.memoryBytesPerSecond * cacheRatio);
  let least = Number.POSITIVE_INFINITY;
  const longer = m > n ? m : n;
  const shorter = m > n ? n : m;
  for (let at = 0; at < longSides.length; at++) {
    const long = longSides[at]!;
    const short = shortSides[at]!;
    const count = batch * Math.ceil(longer / long) * Math.ceil(shorter / short);
    const read = (Math.min(longer, long) + Math.min(shorter, short)) * operand * perByte;
    const perDepth = Math.max(2 * long * short * perFlop, read);
    const merging = 2 * Math.min(longer, long) * Math.min(shorter, short) * sumBytes * perByte;
    const fitting =
      count < units ? 2 ** Math.floor(Math.log2(Math.max(1, Math.min(units / count, k / leastDepth)))) : 1;
    const most = count < units && k >= 2 * fitting * leastDepth ? 2 * fitting : fitting;
    for (let parts = fitting; parts <= most; parts *= 2) {
      const waves = (parts * count) / units;
      const rounds = waves > 1 ? waves + tail * (Math.ceil(waves) - waves) : 1;
      const seconds = rounds * ((k / parts + rampDepth) * perDepth + (parts > 1 ? merging : 0));
      if (seconds < least) least = seconds;
    }
    if (count > manyWaves * units && shorter > manyWaves * short) break;
  }
  return least;
}

/** Groups that get at least one of so many rows, on average, when each row goes to any of them alike. */
export const expectedGroups = (groups: number, rows: number): number => groups * (1 - (1 - 1 / groups) ** rows);
