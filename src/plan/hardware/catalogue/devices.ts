// Devices by name. One that is not here is an error that names those near it: never another one's figures.
import { fail } from '../../../errors.ts';
import type { Device } from '../device.ts';
import { ampere } from './ampere.ts';
import { blackwell } from './blackwell.ts';
import { hopper } from './hopper.ts';
import { nearest } from './near-names.ts';
import { others } from './others.ts';
import { workstation } from './workstation.ts';

export const devices: readonly Device[] = [...ampere, ...hopper, ...blackwell, ...workstation, ...others];

/** Other names of the same devices, as they are commonly written. */
const aliases: Readonly<Record<string, string>> = {
  v100: 'v100-32',
  'v100-sxm': 'v100-32',
  'v100-16gb': 'v100-16',
  'v100-32gb': 'v100-32',
  a100: 'a100-80-sxm',
  'a100-sxm': 'a100-80-sxm',
  'a100-80': 'a100-80-sxm',
  'a100-80gb': 'a100-80-sxm',
  'a100-sxm-80gb': 'a100-80-sxm',
  'a100-sxm4-80gb': 'a100-80-sxm',
  'a100-40': 'a100-40-sxm',
  'a100-40gb': 'a100-40-sxm',
  'a100-sxm-40gb': 'a100-40-sxm',
  'a100-sxm4-40gb': 'a100-40-sxm',
  'a100-pcie': 'a100-80-pcie',
  a800: 'a800-80-sxm',
  'a800-80gb': 'a800-80-sxm',
  'a800-sxm-80gb': 'a800-80-sxm',
  h100: 'h100-sxm',
  'h100-80gb': 'h100-sxm',
  'h100-sxm5': 'h100-sxm',
  'h100-sxm-80gb': 'h100-sxm',
  'h100-sxm-96gb-hbm2e': 'h100-hbm2e',
  h200: 'h200-sxm',
  'h200-sxm-141gb': 'h200-sxm',
  h800: 'h800-sxm',
  'h800-sxm-80gb': 'h800-sxm',
  b200: 'b200-sxm',
  'b200-sxm-180gb': 'b200-sxm',
  b300: 'b300-sxm',
  'gb200-nvl72': 'gb200',
  'gb300-nvl72': 'gb300',
  rtx4090: 'rtx-4090',
  '4090': 'rtx-4090',
  rtx5090: 'rtx-5090',
  '5090': 'rtx-5090',
  'rtx-pro-6000-server': 'rtx-pro-6000',
  'mi300x-192gb': 'mi300x',
  v5e: 'tpu-v5e',
  v5p: 'tpu-v5p',
  trillium: 'tpu-v6e',
  cpu: 'cpu-zen4',
};

const byName = new Map(devices.map((device) => [device.name, device]));

/** `NVIDIA H100_SXM` and `h100-sxm` are one name. */
const plain = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replace(/^(nvidia|amd|google)[ -]+/, '')
    .replace(/^(geforce|instinct)[ -]+/, '')
    .replaceAll(/[ _]+/g, '-');

/** The device of this name, or undefined. */
export function findDevice(name: string): Device | undefined {
  const key = plain(name);
  return byName.get(Object.hasOwn(aliases, key) ? aliases[key]! : key);
}

/** The device of this name. Throws DEVICE_UNKNOWN, with the names nearest to it. */
export function deviceOf(name: string): Device {
  const device = findDevice(name);
  if (device) return device;
  const names = [...byName.keys(), ...Object.keys(aliases)];
  return fail('DEVICE_UNKNOWN', { name, near: nearest(plain(name), names, 4) });
}
