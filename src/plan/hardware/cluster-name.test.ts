import { expect, test } from 'vitest';
import { devices } from './catalogue/devices.ts';
import { parseCluster } from './cluster-name.ts';

const tiersOf = (name: string): string =>
  parseCluster(name)
    .tiers.map(({ name, devices, bytesPerSecond }) => `${name} ${devices} ${bytesPerSecond / 1e9}`)
    .join(', ');

test.each([
  ['1xh100', 'node 1 450'],
  ['8xh100', 'node 8 450'],
  ['1024xh100', 'node 8 450, infiniband-ndr 1024 50'],
  ['8xa100-80', 'node 8 300'],
  ['72xgb200', 'rack 72 900'],
  // Alike parts of two racks.
  ['128xgb200', 'rack 64 900, infiniband-ndr 128 50'],
  ['144xgb200', 'rack 72 900, infiniband-ndr 144 50'],
  // Four cards of 12.5 GB/s for eight devices.
  ['384xa100@omni-path', 'node 8 300, omni-path 384 6.25'],
  ['64xa100@4xroce-100', 'node 8 300, roce-100 64 6.25'],
  ['16xh100-nvl', 'bridge 2 300, node 8 31.5, infiniband-ndr 16 12.5'],
  ['2xh100-nvl', 'bridge 2 300'],
  ['3xh100-nvl', 'node 3 31.5'],
  // No card is faster than the device's way to it.
  ['16xrtx-5090@8xinfiniband-xdr', 'node 8 63, infiniband-xdr 16 63'],
])('%s: %s', (name, tiers) => {
  expect(tiersOf(name)).toBe(tiers);
});

test('every device makes a node of eight', () => {
  for (const { name } of devices) {
    const { device, tiers } = parseCluster(`8x${name}`);
    expect(device.name).toBe(name);
    expect(tiers.at(-1)!.devices).toBe(8);
  }
});

test.each([
  ['h100', 'it is not so many devices'],
  ['x100', 'it is not so many devices'],
  ['0xh100', 'it has 0 devices'],
  ['9999999xh100', 'give from 1 to'],
  ['12xh100', 'use 8xh100 or 16xh100'],
  ['73xgb200', 'do not fill nodes of 72'],
  ['8xh100@infiniband', 'infiniband-edr, infiniband-hdr, infiniband-ndr, infiniband-xdr'],
  ['8xh100@ethernet-26', 'use ethernet-25'],
  ['16xh100@0xroce-400', 'no network cards'],
])('%s is refused: %s', (name, says) => {
  expect(() => parseCluster(name)).toThrow(
    expect.objectContaining({ code: 'CLUSTER_INVALID', message: expect.stringContaining(says) }),
  );
});

test('an unknown device is not taken for another', () => {
  expect(() => parseCluster('8xa30')).toThrow(expect.objectContaining({ code: 'DEVICE_UNKNOWN' }));
});
