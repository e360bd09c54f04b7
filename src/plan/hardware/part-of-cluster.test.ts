// The first devices of a cluster are the cluster that is named so.
import { expect, test } from 'vitest';
import { parseCluster } from './cluster-name.ts';
import { partOfCluster } from './part-of-cluster.ts';

test.each([
  ['1024xh100', 'xh100', [1, 2, 4, 8, 16, 512, 1024]],
  ['384xa100@omni-path', 'xa100@omni-path', [2, 4, 8, 16, 192]],
  ['144xgb200', 'xgb200', [4, 8, 72, 144]],
])('%s', (name, kind, counts) => {
  for (const devices of counts) {
    const { tiers, ...named } = parseCluster(`${devices}${kind}`);
    const part = partOfCluster(parseCluster(name), devices)!;
    expect(part.tiers).toEqual(tiers);
    expect(part).toMatchObject({ devices: named.devices, device: named.device });
  }
});

test('none of more devices, nor of nodes that are not full', () => {
  const cluster = parseCluster('1024xh100');
  expect(partOfCluster(cluster, 2048)).toBeUndefined();
  expect(partOfCluster(cluster, 12)).toBeUndefined();
});
