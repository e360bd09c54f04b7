import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Axis, axes, type GroupAxis, groupOf, type Mesh, worldSize } from '../../mesh/mesh.ts';
import { groupSpread } from './group-spread.ts';

const mesh = (sizes: Partial<Mesh>): Mesh => ({ tp: 1, cp: 1, ep: 1, dp: 1, pp: 1, ...sizes });
const tiers = (...devices: number[]) => ({ tiers: devices.map((each) => ({ devices: each })) as never });

test.each<[string, Mesh, GroupAxis, number[], number[]]>([
  ['tp in a node', mesh({ tp: 4, dp: 8 }), 'tp', [8, 32], [4, 1]],
  ['dp over nodes', mesh({ tp: 4, dp: 8 }), 'dp', [8, 32], [2, 4]],
  ['dp, a rank in each node', mesh({ tp: 8, dp: 4 }), 'dp', [8, 32], [1, 4]],
  ['dp beside stages', mesh({ tp: 2, dp: 2, pp: 4 }), 'pp', [8, 16], [2, 2]],
  ['tp over nodes', mesh({ tp: 16, dp: 2 }), 'tp', [8, 32], [8, 2]],
  ['tp that nodes cut unevenly', mesh({ tp: 3, dp: 8 }), 'tp', [8, 24], [1, 3]],
  ['two axes that are not neighbours', mesh({ tp: 2, cp: 2, dp: 8 }), 'tp+dp', [8, 32], [4, 4]],
  ['all', mesh({ tp: 8, dp: 2, pp: 2 }), 'world', [8, 16, 32], [8, 2, 2]],
  ['three tiers', mesh({ tp: 2, dp: 16 }), 'dp', [2, 8, 32], [1, 4, 4]],
])('%s', (_, of, along, devices, spread) => {
  expect(groupSpread(of, along, tiers(...devices))).toEqual(spread);
});

/** The ranks of every group along the axes, in the order of ranks. */
function groups(of: Mesh, along: readonly Axis[]): number[][] {
  const seen = new Set<number>();
  const found: number[][] = [];
  for (let rank = 0; rank < worldSize(of); rank++) {
    if (seen.has(rank)) continue;
    const ranks = groupOf(of, rank, along).ranks.toSorted((a, b) => a - b);
    for (const each of ranks) seen.add(each);
    found.push(ranks);
  }
  return found;
}

const sizes = fc.record({
  tp: fc.constantFrom(1, 2, 3, 4, 6, 8),
  cp: fc.constantFrom(1, 2, 4),
  ep: fc.constantFrom(1, 2, 3),
  dp: fc.constantFrom(1, 2, 4, 5),
  pp: fc.constantFrom(1, 2, 3),
});
const someAxes = fc.subarray([...axes], { minLength: 1 });

/** Blocks of devices that hold one another, the last of which holds all ranks. */
const blocks = fc
  .tuple(fc.constantFrom(1, 2, 4, 6, 8, 72), fc.constantFrom(1, 2, 3, 4))
  .map(([inner, more]) => [inner, inner * more]);

test('as many ranks of every group as it says are in one block, in runs that follow one another', () => {
  fc.assert(
    fc.property(sizes, someAxes, blocks, (of, along, inner) => {
      const world = worldSize(of);
      const devices = [...inner, Math.max(world, inner[1]!)];
      const spread = groupSpread(of, along.join('+') as GroupAxis, tiers(...devices));
      const size = along.reduce((product, axis) => product * of[axis], 1);
      expect(spread.reduce((a, b) => a * b, 1)).toBe(size);
      for (const count of spread) expect(Number.isInteger(count)).toBe(true);
      const all = groups(of, along);
      const parted = inner.flatMap((block, i) => {
        const together = spread.slice(0, i + 1).reduce((a, b) => a * b, 1);
        const blockOf = (rank: number) => Math.floor(rank / block);
        const isParted = (ranks: number[], at: number) => blockOf(ranks[at]!) !== blockOf(ranks[at - (at % together)]!);
        return all.flatMap((ranks) => ranks.filter((_, at) => isParted(ranks, at)));
      });
      expect(parted).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

test('where sizes are powers of two it is how many ranks of every group a block holds', () => {
  const powers = fc.record({
    tp: fc.constantFrom(1, 2, 4, 8),
    cp: fc.constantFrom(1, 2, 4),
    ep: fc.constantFrom(1, 2),
    dp: fc.constantFrom(1, 2, 4),
    pp: fc.constantFrom(1, 2, 4),
  });
  fc.assert(
    fc.property(powers, someAxes, fc.constantFrom(1, 2, 4, 8, 16), (of, along, block) => {
      const [within] = groupSpread(of, along.join('+') as GroupAxis, tiers(block, Math.max(block, worldSize(of))));
      for (const ranks of groups(of, along)) {
        const held = new Map<number, number>();
        for (const rank of ranks) {
          const at = Math.floor(rank / block);
          held.set(at, (held.get(at) ?? 0) + 1);
        }
        expect([...held.values()].every((count) => count === within)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});
