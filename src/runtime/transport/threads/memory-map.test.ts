// The memory map: whatever the groups, no two things share a byte and everything is aligned.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Group } from '../../../mesh/mesh.ts';
import { lineBytes, mapMemory, siteBytes, siteCount, sitesAt, statusAt } from './memory-map.ts';

interface Region {
  readonly start: number;
  readonly end: number;
}

function regionsOf(size: number, groups: readonly Group[]): { regions: Region[]; bytes: number } {
  const map = mapMemory({ size, groups, channels: [], timeoutSeconds: 1 });
  const { slotStride } = map;
  const regions: Region[] = [{ start: map.abort, end: map.abort + lineBytes }];
  const add = (start: number, bytes: number): void => void regions.push({ start, end: start + bytes });
  for (let rank = 0; rank < size; rank++)
    regions.push({ start: statusAt(rank), end: sitesAt(rank) + siteCount * siteBytes });
  groups.forEach(({ ranks }, g) => {
    const { lines, slots, outputs, scratch } = map.groups[g]!;
    if (ranks.length === 1) return;
    add(lines, 2 * ranks.length * lineBytes);
    add(slots, 2 * ranks.length * slotStride);
    add(outputs, 2 * slotStride);
    add(scratch, ranks.length * slotStride);
  });
  return { regions, bytes: map.bytes };
}

test('regions do not overlap, are aligned, and fit', () => {
  const group = fc.integer({ min: 1, max: 8 }).map((n): Group => ({ axis: 'tp', ranks: [...Array(n).keys()] }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(group, { maxLength: 12 }), (size, groups) => {
      const { regions, bytes } = regionsOf(size, groups);
      const sorted = regions.toSorted((a, b) => a.start - b.start);
      sorted.forEach(({ start, end }, i) => {
        expect(start % 64).toBe(0);
        expect(end).toBeLessThanOrEqual(sorted[i + 1]?.start ?? bytes);
      });
      expect(sorted[0]!.start).toBeGreaterThanOrEqual(65536);
    }),
  );
});

test('a group of 8 takes less than four megabytes, whatever it will move', () => {
  const one = regionsOf(8, []).bytes;
  expect(regionsOf(8, [{ axis: 'tp', ranks: [...Array(8).keys()] }]).bytes - one).toBeLessThan(4 * 2 ** 20);
});
