// GPUs as tables of measured operators name them.
import type { Device } from '../../src/plan/hardware/device.ts';

const common = { memoryBytes: 0, watts: 0, hostBytesPerSecond: 0, source: '', cacheBytes: 0 };
const device = (
  name: string,
  architecture: Device['architecture'],
  bw: number,
  sms: number,
  bf16: number,
  fp8?: number,
  fp4?: number,
): Device => ({
  ...common,
  name,
  title: name,
  architecture,
  memoryBytesPerSecond: bw * 1e12,
  multiprocessors: sms,
  flopsPerSecond: { bf16: bf16 * 1e12, ...(fp8 ? { fp8: fp8 * 1e12 } : {}), ...(fp4 ? { fp4: fp4 * 1e12 } : {}) },
});

export const devices: Readonly<Record<string, Device>> = {
  a100_sxm: device('a100-80-sxm', 'ampere', 2.039, 108, 312),
  h100_sxm: device('h100-sxm', 'hopper', 3.35, 132, 989.4, 1978.9),
  h200_sxm: device('h200-sxm', 'hopper', 4.8, 132, 989.4, 1978.9),
  b200_sxm: device('b200-sxm', 'blackwell', 7.67, 148, 2250, 4500, 9000),
  b300_sxm: device('b300-sxm', 'blackwell', 7.7, 148, 2250, 4500, 13500),
  gb200: device('gb200', 'blackwell', 8, 152, 2500, 5000, 10000),
  gb300: device('gb300', 'blackwell', 8, 152, 2500, 5000, 15000),
  l40s: device('l40s', 'ada', 0.864, 142, 362, 733),
  rtx_pro_6000_server: device('rtx-pro-6000-server', 'blackwell', 1.597, 188, 503.8, 1007.6, 2015.2),
};
