// NVIDIA's V100 and A100 kinds. Rates are of dense products; memory is what the driver reports; prices are of one GPU an hour, on demand.
import type { Device } from '../device.ts';

const gib = 2 ** 30;
const v100Sheet = 'NVIDIA Tesla V100 data sheet (SXM2) and Volta architecture whitepaper';
const a100Sheet = 'NVIDIA A100 data sheet and Ampere architecture whitepaper';

const v100 = {
  architecture: 'volta',
  memoryBytesPerSecond: 900e9,
  flopsPerSecond: { fp64: 7.8e12, fp32: 15.7e12, bf16: 125e12 },
  multiprocessors: 80,
  cacheBytes: 6 * 2 ** 20,
  watts: 300,
  dollarsPerHour: 0.79,
  // PCIe 3 x16.
  hostBytesPerSecond: 15.75e9,
} as const;

const a100 = {
  architecture: 'ampere',
  flopsPerSecond: { fp64: 19.5e12, fp32: 19.5e12, tf32: 156e12, bf16: 312e12, int8: 624e12 },
  multiprocessors: 108,
  cacheBytes: 40 * 2 ** 20,
  // PCIe 4 x16.
  hostBytesPerSecond: 31.5e9,
} as const;

export const ampere: readonly Device[] = [
  {
    ...v100,
    name: 'v100-16',
    title: 'NVIDIA V100 SXM2 16 GB',
    memoryBytes: 16 * gib,
    source: `${v100Sheet} (125 TFLOP/s are of fp16; it has no bf16); price: Lambda's eight GPUs, 2026`,
  },
  {
    ...v100,
    name: 'v100-32',
    title: 'NVIDIA V100 SXM2 32 GB',
    memoryBytes: 32 * gib,
    source: `${v100Sheet} (125 TFLOP/s are of fp16; it has no bf16); price: Lambda's eight GPUs of 16 GB, 2026`,
  },
  {
    ...a100,
    name: 'a100-40-sxm',
    title: 'NVIDIA A100 SXM4 40 GB',
    memoryBytes: 40 * gib,
    memoryBytesPerSecond: 1555e9,
    watts: 400,
    dollarsPerHour: 1.99,
    source: `${a100Sheet}; price: Lambda, November 2026`,
  },
  {
    ...a100,
    name: 'a100-80-sxm',
    title: 'NVIDIA A100 SXM4 80 GB',
    memoryBytes: 80 * gib,
    memoryBytesPerSecond: 2039e9,
    watts: 400,
    dollarsPerHour: 1.79,
    source: `${a100Sheet}; price: RunPod secure cloud, November 2026`,
  },
  {
    ...a100,
    name: 'a100-40-pcie',
    title: 'NVIDIA A100 PCIe 40 GB',
    memoryBytes: 40 * gib,
    memoryBytesPerSecond: 1555e9,
    watts: 250,
    dollarsPerHour: 1.59,
    source: `${a100Sheet}; price: that of the 80 GB card`,
  },
  {
    ...a100,
    name: 'a100-80-pcie',
    title: 'NVIDIA A100 PCIe 80 GB',
    memoryBytes: 80 * gib,
    memoryBytesPerSecond: 1935e9,
    watts: 300,
    dollarsPerHour: 1.59,
    source: `${a100Sheet}; price: RunPod secure cloud, October 2026`,
  },
  {
    ...a100,
    name: 'a800-80-sxm',
    title: 'NVIDIA A800 SXM4 80 GB',
    memoryBytes: 80 * gib,
    memoryBytesPerSecond: 2039e9,
    watts: 400,
    source: 'NVIDIA A800 data sheet: an A100 with NVLink of 400 GB/s',
  },
];
