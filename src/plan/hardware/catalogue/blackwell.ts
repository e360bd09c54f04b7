// NVIDIA's Blackwell data-centre parts. Rates are of dense products; memory is what the driver reports; prices are of one GPU an hour, on demand.
import type { Device } from '../device.ts';

const mib = 2 ** 20;
const gib = 2 ** 30;

const b200 = {
  architecture: 'blackwell',
  memoryBytesPerSecond: 7.67e12,
  flopsPerSecond: {
    fp64: 37e12,
    fp32: 75e12,
    tf32: 1.125e15,
    bf16: 2.25e15,
    fp8: 4.5e15,
    int8: 4.5e15,
    fp4: 9e15,
  },
  multiprocessors: 148,
  cacheBytes: 126.5 * mib,
  // PCIe 5 x16.
  hostBytesPerSecond: 63e9,
} as const;

const superchip = {
  ...b200,
  memoryBytesPerSecond: 8e12,
  multiprocessors: 152,
  // NVLink-C2C to Grace, 450 GB/s each way, which two GPUs share.
  hostBytesPerSecond: 225e9,
} as const;

export const blackwell: readonly Device[] = [
  {
    ...b200,
    name: 'b200-sxm',
    title: 'NVIDIA B200 SXM 180 GB',
    memoryBytes: 178.35 * gib,
    watts: 1000,
    dollarsPerHour: 6.79,
    source:
      'NVIDIA HGX B200 data sheet, sparsity halved; memory, its rate, multiprocessors and cache as the driver reports them (pytorch/ao#4002); price: RunPod secure cloud, October 2026',
  },
  {
    ...b200,
    name: 'b300-sxm',
    architecture: 'blackwell-ultra',
    title: 'NVIDIA B300 SXM 270 GB',
    memoryBytes: 275040 * mib,
    memoryBytesPerSecond: 7.7e12,
    flopsPerSecond: { ...b200.flopsPerSecond, fp64: 1.25e12, int8: 0.15e15, fp4: 13.5e15 },
    watts: 1100,
    // PCIe 6 x16.
    hostBytesPerSecond: 126e9,
    dollarsPerHour: 7.89,
    source: 'NVIDIA HGX B300 data sheet (108 PFLOP/s of dense FP4 in eight); price: RunPod secure cloud, October 2026',
  },
  {
    ...superchip,
    name: 'gb200',
    title: 'NVIDIA GB200 NVL72, one of its GPUs',
    memoryBytes: 189471 * mib,
    flopsPerSecond: {
      fp64: 40e12,
      fp32: 80e12,
      tf32: 1.25e15,
      bf16: 2.5e15,
      fp8: 5e15,
      int8: 5e15,
      fp4: 10e15,
    },
    watts: 1200,
    dollarsPerHour: 10.5,
    source:
      'NVIDIA GB200 NVL72 data sheet, sparsity halved, a 72nd of a rack; price: CoreWeave, 42 $ for four GPUs, 2025',
  },
  {
    ...superchip,
    name: 'gb300',
    architecture: 'blackwell-ultra',
    title: 'NVIDIA GB300 NVL72, one of its GPUs',
    memoryBytes: 284208 * mib,
    flopsPerSecond: {
      fp64: 1.3e12,
      fp32: 80e12,
      tf32: 1.25e15,
      bf16: 2.5e15,
      fp8: 5e15,
      int8: 0.165e15,
      fp4: 15e15,
    },
    watts: 1400,
    source: 'NVIDIA GB300 NVL72 data sheet, sparsity halved, a 72nd of a rack',
  },
];
