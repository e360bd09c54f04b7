import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CollectiveOp, countedOps, trafficBytes } from '../../mesh/traffic.ts';
import { devices } from '../hardware/catalogue/devices.ts';
import type { Cluster } from '../hardware/cluster.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { talkSeconds } from './collectives.ts';

const clusters = [
  ...devices.map(({ name }) => parseCluster(`8x${name}`)),
  ...['1024xh100', '384xa100@omni-path', '64xa100-80@1xethernet-25', '256xgb200', '64xmi300x'].map(parseCluster),
];
const calls = fc.constantFrom(...countedOps);
const bytes = fc.double({ min: 1, max: 1e10, noNaN: true });
/** A cluster and a spread over its tiers. */
const placed = fc.constantFrom(...clusters).chain((cluster) =>
  fc
    .tuple(
      ...cluster.tiers.map(({ devices }, i) => {
        const most = devices / (cluster.tiers[i - 1]?.devices ?? 1);
        return fc.constantFrom(...[1, 2, 3, 4, 8, 16, 64].filter((ranks) => ranks <= most));
      }),
    )
    .map((spread) => ({ cluster, spread })),
);
const sizeOf = (spread: readonly number[]) => spread.reduce((a, b) => a * b, 1);

test('no collective is faster than the links that it goes over', () => {
  fc.assert(
    fc.property(placed, calls, bytes, ({ cluster, spread }, call, bytes) => {
      const seconds = talkSeconds({ call, bytes, spread }, cluster);
      const size = sizeOf(spread);
      const fastest = cluster.tiers.find((_, i) => spread[i]! > 1)?.bytesPerSecond ?? Number.POSITIVE_INFINITY;
      // Switches that add up halve what an all-reduce sends.
      const sent = trafficBytes(call, bytes, size) * (call === 'allReduce' ? 0.5 : 1);
      // What is gathered in many nodes passes the innermost links but for its way to the network.
      const within = sent / 2;
      expect(seconds).toBeGreaterThanOrEqual(within / fastest);
      expect(seconds > 0).toBe(size > 1);
      expect(seconds).toBeLessThan(3600);
    }),
    { numRuns: 1000 },
  );
});

test('more bytes never take less time', () => {
  fc.assert(
    fc.property(placed, calls, bytes, bytes, ({ cluster, spread }, call, a, b) => {
      const time = (bytes: number) => talkSeconds({ call, bytes, spread }, cluster);
      expect(time(Math.max(a, b))).toBeGreaterThanOrEqual(time(Math.min(a, b)));
    }),
    { numRuns: 1000 },
  );
});

test('slower links never take less time', () => {
  const slower = (cluster: Cluster, at: number): Cluster => ({
    ...cluster,
    tiers: cluster.tiers.map((tier, i) => (i === at ? { ...tier, bytesPerSecond: tier.bytesPerSecond / 2 } : tier)),
  });
  fc.assert(
    fc.property(placed, calls, bytes, fc.nat(), ({ cluster, spread }, call, bytes, at) => {
      const talk = { call, bytes, spread };
      expect(talkSeconds(talk, slower(cluster, at % cluster.tiers.length))).toBeGreaterThanOrEqual(
        talkSeconds(talk, cluster),
      );
    }),
    { numRuns: 1000 },
  );
});

const h100 = parseCluster('64xh100');
const seconds = (call: CollectiveOp, bytes: number, spread: readonly number[], cluster = h100) =>
  talkSeconds({ call, bytes, spread }, cluster);

test('an all-reduce over nodes uses every network card of a node', () => {
  const [eight, one] = [seconds('allReduce', 1e9, [8, 4]), seconds('allReduce', 1e9, [1, 4])];
  expect(one / eight).toBeGreaterThan(5);
});

test('switches that add up are used for large sums within a node, not for small ones', () => {
  const without = { ...h100, tiers: h100.tiers.map((tier) => ({ ...tier, reducesInSwitches: false })) };
  expect(seconds('allReduce', 1e9, [8, 1])).toBeLessThan(0.9 * seconds('allReduce', 1e9, [8, 1], without));
  expect(seconds('allReduce', 1e3, [8, 1])).toBe(seconds('allReduce', 1e3, [8, 1], without));
});

test('small sums over many nodes take the time of a tree, small gathers that of a ring', () => {
  const many = parseCluster('8192xh100');
  const growth = (call: CollectiveOp) => seconds(call, 1024, [8, 1024], many) / seconds(call, 1024, [8, 64], many);
  expect(growth('allReduce')).toBeLessThan(2);
  expect(growth('allGather')).toBeGreaterThan(8);
});

test('an all-to-all over nodes waits for the network', () => {
  // Of 31 others 24 are on other nodes, each at one card's 50 GB/s.
  expect(seconds('allToAll', 1e9, [8, 4])).toBeGreaterThan((1e9 * 24) / 32 / 50e9);
  expect(seconds('allToAll', 1e9, [8, 1])).toBeLessThan(0.5 * seconds('allToAll', 1e9, [8, 4]));
});

// Published beside the algorithms: bus bandwidth of large all-reduces, GB/s, within what versions of the software differ by.
test.each([
  ['8xh200', [8], 473],
  ['8xh200', [4], 363],
  ['8xb200', [4], 673],
  ['8xa100', [8], 230],
] as const)('%s over %o: a bus bandwidth of about %i GB/s (stas00/ml-engineering)', (name, spread, gigabytes) => {
  const size = sizeOf(spread);
  const time = seconds('allReduce', 8 * 2 ** 30, spread, parseCluster(name));
  const busBandwidth = (2 * 8 * 2 ** 30 * (size - 1)) / size / time;
  expect(busBandwidth / (gigabytes * 1e9)).toBeGreaterThan(0.88);
  expect(busBandwidth / (gigabytes * 1e9)).toBeLessThan(1.12);
});
