// The grid of ranks: coordinates and ranks are each other's inverse, and groups cut the world into equal parts.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { axes, coordsOf, groupKey, groupOf, groupsOf, type Mesh, rankAt, worldGroup, worldSize } from './mesh.ts';

const size = fc.integer({ min: 1, max: 4 });
const anyMesh: fc.Arbitrary<Mesh> = fc.record({ tp: size, cp: size, ep: size, dp: size, pp: size });

test('coordinates of a rank, and the rank at coordinates', () => {
  fc.assert(
    fc.property(anyMesh, (mesh) => {
      for (let rank = 0; rank < worldSize(mesh); rank++) expect(rankAt(mesh, coordsOf(mesh, rank))).toBe(rank);
    }),
  );
});

test('neighbouring ranks differ in tp, then dp, then pp', () => {
  const mesh = { tp: 2, cp: 1, ep: 1, dp: 2, pp: 2 };
  expect(groupOf(mesh, 5, 'tp').ranks).toEqual([4, 5]);
  expect(groupOf(mesh, 5, 'dp').ranks).toEqual([5, 7]);
  expect(groupOf(mesh, 5, 'pp').ranks).toEqual([1, 5]);
  expect(worldGroup(mesh).ranks).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test('the groups along an axis share out all ranks, each rank in one', () => {
  fc.assert(
    fc.property(anyMesh, fc.constantFrom(...axes), (mesh, axis) => {
      const ranks = worldGroup(mesh).ranks;
      const groups = new Map(ranks.map((rank) => [groupOf(mesh, rank, axis).ranks.join(), groupOf(mesh, rank, axis)]));
      expect([...groups.values()].flatMap((group) => group.ranks).sort((a, b) => a - b)).toEqual(ranks);
      for (const rank of ranks) expect(groupOf(mesh, rank, axis).ranks[coordsOf(mesh, rank)[axis]]).toBe(rank);
    }),
  );
});

test('all groups of a mesh: each set of its axes of several ranks shares out all ranks', () => {
  fc.assert(
    fc.property(anyMesh, (mesh) => {
      const cut = axes.filter((axis) => mesh[axis] > 1);
      const groups = groupsOf(mesh);
      expect(new Set(groups.map(({ axis }) => axis)).size).toBe(2 ** cut.length - 1);
      expect(groups.flatMap(({ ranks }) => ranks)).toHaveLength((2 ** cut.length - 1) * worldSize(mesh));
      const pair = cut.slice(0, 2);
      if (pair.length > 0) expect(groups.map(groupKey)).toContain(groupKey(groupOf(mesh, worldSize(mesh) - 1, pair)));
    }),
    { numRuns: 30 },
  );
});
