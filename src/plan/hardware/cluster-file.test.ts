import { expect, test } from 'vitest';
import { parseClusterFile } from './cluster-file.ts';

const node = { name: 'node', link: 'nvlink-4', devices: 8, bytesPerSecond: 450e9, reducesInSwitches: true };
const network = { name: 'network', link: 'roce', devices: 16, bytesPerSecond: 25e9, latencySeconds: 8e-6 };
const ours = { name: 'ours', devices: [{ count: 16, device: 'h100' }], tiers: [node, network] };
const parsed = (json: unknown) => parseClusterFile(json, 'ours.json');

test('a file of devices of the catalogue', () => {
  const cluster = parsed(ours);
  expect(cluster).toMatchObject({ name: 'ours', devices: 16, device: { name: 'h100-sxm' } });
  expect(cluster.others).toBeUndefined();
  expect(cluster.tiers.map(({ latencySeconds }) => latencySeconds)).toEqual([0.75e-6, 8e-6]);
  expect(cluster.tiers[1]!.source).toBe('ours.json');
});

test('two kinds of devices, in the order of ranks', () => {
  const cluster = parsed({
    ...ours,
    devices: [
      { count: 8, device: 'h100' },
      { count: 8, device: 'a100' },
    ],
  });
  expect(cluster.devices).toBe(16);
  expect(cluster.device.name).toBe('h100-sxm');
  expect(cluster.others).toMatchObject([{ devices: 8, device: { name: 'a100-80-sxm' } }]);
});

test('a device like another with figures of its own', () => {
  const device = { like: 'h100', name: 'h100-600w', watts: 600, flopsPerSecond: { bf16: 900e12 } };
  const { device: made } = parsed({ ...ours, devices: [{ count: 16, device }] });
  expect(made).toMatchObject({ name: 'h100-600w', title: 'h100-600w', watts: 600, multiprocessors: 132 });
  expect(made.flopsPerSecond).toMatchObject({ bf16: 900e12, fp8: 1978.9e12 });
  expect(made.source).toContain('ours.json');
});

test.each<[string, unknown, string]>([
  ['no object', 3, 'expected object'],
  ['an unknown key', { ...ours, fabric: 'roce' }, 'Unrecognized key: "fabric"'],
  ['an unknown key of a tier', { ...ours, tiers: [node, { ...network, speed: 1 }] }, 'tiers.1'],
  ['an unknown link', { ...ours, tiers: [node, { ...network, link: 'token-ring' }] }, 'tiers.1.link'],
  [
    'an unknown key of a device',
    { ...ours, devices: [{ count: 16, device: { like: 'h100', name: 'x', ram: 1 } }] },
    'devices.0.device',
  ],
  [
    'a device without all figures',
    { ...ours, devices: [{ count: 16, device: { name: 'x' } }] },
    'devices.0.device.title',
  ],
  ['half a device', { ...ours, devices: [{ count: 15.5, device: 'h100' }] }, 'devices.0.count'],
  [
    'tiers that do not nest',
    { ...ours, tiers: [{ ...node, devices: 6 }, network] },
    'is not made of whole "node" of 6',
  ],
  ['tiers in the wrong order', { ...ours, tiers: [network, node] }, 'is not made of whole "network" of 16'],
  [
    'devices that no tier joins',
    { ...ours, devices: [{ count: 24, device: 'h100' }] },
    'give the last tier 24 devices',
  ],
  ['an outer tier that is faster', { ...ours, tiers: [node, { ...network, bytesPerSecond: 9e11 }] }, 'is faster'],
])('%s is refused', (_, json, says) => {
  expect(() => parsed(json)).toThrow(
    expect.objectContaining({ code: 'CLUSTER_INVALID', message: expect.stringContaining(says) }),
  );
});

test('an unknown device is refused', () => {
  expect(() => parsed({ ...ours, devices: [{ count: 16, device: 'h1000' }] })).toThrow(
    expect.objectContaining({ code: 'DEVICE_UNKNOWN' }),
  );
});
