import { expect, test } from 'vitest';
import { FivefoldError } from '../../../errors.ts';
import { deviceOf, devices, findDevice } from './devices.ts';
import { editDistance } from './near-names.ts';
import { nodes } from './nodes.ts';

test('every device has a name of its own, a node and a source', () => {
  expect(new Set(devices.map(({ name }) => name)).size).toBe(devices.length);
  expect(Object.keys(nodes).toSorted()).toEqual(devices.map(({ name }) => name).toSorted());
  for (const { source } of devices) expect(source.length).toBeGreaterThan(20);
});

test.each(devices.map((device) => [device.name, device] as const))('%s: its figures go together', (_, device) => {
  const { flopsPerSecond: rates, memoryBytesPerSecond, memoryBytes, watts } = device;
  // Dense rates double from one width to the next (MI300X and NVIDIA alike); a figure with sparsity would be twice that.
  const doubles = (wide: number | undefined, narrow: number | undefined) => {
    if (wide !== undefined && narrow !== undefined) expect(narrow / wide).toBeCloseTo(2, 1);
  };
  doubles(rates.bf16, rates.fp8);
  // What products of 16 bits a byte of memory traffic, and a watt, allow: of V100 to Blackwell, of cards and of TPUs.
  if (rates.bf16 !== undefined) {
    const perByte = rates.bf16 / memoryBytesPerSecond;
    expect(perByte).toBeGreaterThan(90);
    expect(perByte).toBeLessThan(600);
    expect(rates.bf16 / watts!).toBeGreaterThan(0.3e12);
    expect(rates.bf16 / watts!).toBeLessThan(3.5e12);
  }
  // All of memory is read in a hundredth of a second to a second.
  expect(memoryBytes / memoryBytesPerSecond).toBeGreaterThan(0.01);
  expect(memoryBytes / memoryBytesPerSecond).toBeLessThan(1);
});

test.each([
  ['h100', 'h100-sxm'],
  ['NVIDIA H100_SXM', 'h100-sxm'],
  ['A100-SXM4-80GB', 'a100-80-sxm'],
  ['A100-80', 'a100-80-sxm'],
  ['GeForce RTX 4090', 'rtx-4090'],
  ['GB200 NVL72', 'gb200'],
])('%s is %s', (given, name) => {
  expect(deviceOf(given).name).toBe(name);
});

test('a device that is not there names those near it and is never another one', () => {
  expect(findDevice('h100x')).toBeUndefined();
  expect(findDevice('toString')).toBeUndefined();
  expect(findDevice('a30')).toBeUndefined();
  expect(() => deviceOf('rtx-4080')).toThrow(
    expect.objectContaining({ code: 'DEVICE_UNKNOWN', message: expect.stringContaining('rtx-4090') }),
  );
  expect(() => deviceOf('rtx-4080')).toThrow(FivefoldError);
});

test.each([
  ['', 'abc', 3],
  ['h100', 'h100', 0],
  ['h10', 'h100', 1],
  ['a100', 'h100', 1],
  ['kitten', 'sitting', 3],
])('from %o to %o are %i letters', (a, b, letters) => {
  expect(editDistance(a, b)).toBe(letters);
  expect(editDistance(b, a)).toBe(letters);
});
