// NVIDIA's H100 and its kin. Rates are of dense products; memory is what the driver reports; prices are of one GPU an hour, on demand.
import type { Device } from '../device.ts';

const mib = 2 ** 20;
const sheet = 'NVIDIA H100 data sheet (its tensor rates with sparsity halved) and Hopper architecture whitepaper';

const h100 = {
  architecture: 'hopper',
  flopsPerSecond: {
    fp64: 66.9e12,
    fp32: 66.9e12,
    tf32: 494.7e12,
    bf16: 989.4e12,
    fp8: 1978.9e12,
    int8: 1978.9e12,
  },
  multiprocessors: 132,
  cacheBytes: 50 * mib,
  watts: 700,
  // PCIe 5 x16.
  hostBytesPerSecond: 63e9,
} as const;

export const hopper: readonly Device[] = [
  {
    ...h100,
    name: 'h100-sxm',
    title: 'NVIDIA H100 SXM5 80 GB',
    memoryBytes: 81559 * mib,
    memoryBytesPerSecond: 3.35e12,
    dollarsPerHour: 3.49,
    source: `${sheet}; price: RunPod secure cloud, October 2026`,
  },
  {
    ...h100,
    name: 'h100-pcie',
    title: 'NVIDIA H100 PCIe 80 GB',
    memoryBytes: 81559 * mib,
    memoryBytesPerSecond: 2.0e12,
    flopsPerSecond: { fp64: 51e12, fp32: 51e12, tf32: 378e12, bf16: 756e12, fp8: 1513e12, int8: 1513e12 },
    multiprocessors: 114,
    watts: 350,
    dollarsPerHour: 2.89,
    source: `${sheet}; price: RunPod secure cloud, November 2026`,
  },
  {
    ...h100,
    name: 'h100-nvl',
    title: 'NVIDIA H100 NVL 94 GB',
    memoryBytes: 95830 * mib,
    memoryBytesPerSecond: 3.9e12,
    flopsPerSecond: { fp64: 60e12, fp32: 60e12, tf32: 417.5e12, bf16: 835.5e12, fp8: 1671e12, int8: 1671e12 },
    watts: 400,
    dollarsPerHour: 3.19,
    source: `NVIDIA H100 NVL data sheet, sparsity halved; price: RunPod secure cloud, November 2026`,
  },
  {
    ...h100,
    name: 'h100-hbm2e',
    title: 'NVIDIA H100 SXM 96 GB HBM2e, limited to 500 W',
    memoryBytes: 95 * 1024 * mib,
    memoryBytesPerSecond: 2.4e12,
    watts: 500,
    source:
      'TorchTitan (arXiv 2410.06511): 96 GB of HBM2e, less power than an SXM part, peak between SXM and NVL (here that of SXM, which its power limits); 2.4 TB/s are six stacks of those whose five give the PCIe card 2.0',
  },
  {
    ...h100,
    name: 'h200-sxm',
    title: 'NVIDIA H200 SXM 141 GB',
    memoryBytes: 143771 * mib,
    memoryBytesPerSecond: 4.8e12,
    dollarsPerHour: 4.59,
    source: `NVIDIA H200 data sheet, sparsity halved; price: RunPod secure cloud, October 2026`,
  },
  {
    ...h100,
    name: 'h800-sxm',
    title: 'NVIDIA H800 SXM5 80 GB',
    memoryBytes: 81559 * mib,
    memoryBytesPerSecond: 3.35e12,
    flopsPerSecond: { ...h100.flopsPerSecond, fp64: 1e12 },
    source: 'NVIDIA H800 data sheet: an H100 with NVLink of 400 GB/s and 1 TFLOP/s of fp64',
  },
];
