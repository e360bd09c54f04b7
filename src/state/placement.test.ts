// How state lies over the axes at every level of ZeRO.
import { expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { coordsOf, type Mesh, worldSize } from '../mesh/mesh.ts';
import { printTypes, type Types } from '../program/types.ts';
import { isFirstHolder, partOver, placementOf, sharedOver, zeroOf } from './placement.ts';

const cut: Types = { tp: 'V0', cp: 'R', ep: 'R', dp: 'R' };
const alike: Types = { tp: 'I', cp: 'R', ep: 'R', dp: 'R' };
const eachItsOwn: Types = { tp: 'R', cp: 'R', ep: 'R', dp: 'R' };

test('the table', () => {
  const lines = ([0, 1, 2, 3] as const).flatMap((zero) =>
    Object.entries({ cut, alike, eachItsOwn }).flatMap(([name, types]) =>
      Object.entries(placementOf(types, zero)).map(
        ([what, placed]) => `zero=${zero} ${name.padEnd(10)} ${what.padEnd(9)} ${printTypes(placed)}`,
      ),
    ),
  );
  expect(lines.join('\n')).toMatchInlineSnapshot(`
    "zero=0 cut        param     tp:V0 cp:R ep:R dp:R
    zero=0 cut        gradient  tp:V0 cp:P ep:P dp:P
    zero=0 cut        finished  tp:V0 cp:I ep:I dp:I
    zero=0 cut        moments   tp:V0 cp:I ep:I dp:I
    zero=0 cut        outer     tp:V0 cp:I ep:I dp:V0
    zero=0 alike      param     tp:I cp:R ep:R dp:R
    zero=0 alike      gradient  tp:I cp:P ep:P dp:P
    zero=0 alike      finished  tp:I cp:I ep:I dp:I
    zero=0 alike      moments   tp:I cp:I ep:I dp:I
    zero=0 alike      outer     tp:I cp:I ep:I dp:V0
    zero=0 eachItsOwn param     tp:R cp:R ep:R dp:R
    zero=0 eachItsOwn gradient  tp:P cp:P ep:P dp:P
    zero=0 eachItsOwn finished  tp:I cp:I ep:I dp:I
    zero=0 eachItsOwn moments   tp:I cp:I ep:I dp:I
    zero=0 eachItsOwn outer     tp:I cp:I ep:I dp:V0
    zero=1 cut        param     tp:V0 cp:R ep:R dp:R
    zero=1 cut        gradient  tp:V0 cp:P ep:P dp:P
    zero=1 cut        finished  tp:V0 cp:V0 ep:V0 dp:V0
    zero=1 cut        moments   tp:V0 cp:V0 ep:V0 dp:V0
    zero=1 cut        outer     tp:V0 cp:I ep:I dp:V0
    zero=1 alike      param     tp:I cp:R ep:R dp:R
    zero=1 alike      gradient  tp:I cp:P ep:P dp:P
    zero=1 alike      finished  tp:I cp:V0 ep:V0 dp:V0
    zero=1 alike      moments   tp:I cp:V0 ep:V0 dp:V0
    zero=1 alike      outer     tp:I cp:I ep:I dp:V0
    zero=1 eachItsOwn param     tp:R cp:R ep:R dp:R
    zero=1 eachItsOwn gradient  tp:P cp:P ep:P dp:P
    zero=1 eachItsOwn finished  tp:I cp:V0 ep:V0 dp:V0
    zero=1 eachItsOwn moments   tp:I cp:V0 ep:V0 dp:V0
    zero=1 eachItsOwn outer     tp:I cp:I ep:I dp:V0
    zero=2 cut        param     tp:V0 cp:R ep:R dp:R
    zero=2 cut        gradient  tp:V0 cp:V0 ep:V0 dp:V0
    zero=2 cut        finished  tp:V0 cp:V0 ep:V0 dp:V0
    zero=2 cut        moments   tp:V0 cp:V0 ep:V0 dp:V0
    zero=2 cut        outer     tp:V0 cp:I ep:I dp:V0
    zero=2 alike      param     tp:I cp:R ep:R dp:R
    zero=2 alike      gradient  tp:I cp:V0 ep:V0 dp:V0
    zero=2 alike      finished  tp:I cp:V0 ep:V0 dp:V0
    zero=2 alike      moments   tp:I cp:V0 ep:V0 dp:V0
    zero=2 alike      outer     tp:I cp:I ep:I dp:V0
    zero=2 eachItsOwn param     tp:R cp:R ep:R dp:R
    zero=2 eachItsOwn gradient  tp:P cp:V0 ep:V0 dp:V0
    zero=2 eachItsOwn finished  tp:I cp:V0 ep:V0 dp:V0
    zero=2 eachItsOwn moments   tp:I cp:V0 ep:V0 dp:V0
    zero=2 eachItsOwn outer     tp:I cp:I ep:I dp:V0
    zero=3 cut        param     tp:V0 cp:V0 ep:V0 dp:V0
    zero=3 cut        gradient  tp:V0 cp:V0 ep:V0 dp:V0
    zero=3 cut        finished  tp:V0 cp:V0 ep:V0 dp:V0
    zero=3 cut        moments   tp:V0 cp:V0 ep:V0 dp:V0
    zero=3 cut        outer     tp:V0 cp:V0 ep:V0 dp:V0
    zero=3 alike      param     tp:I cp:V0 ep:V0 dp:V0
    zero=3 alike      gradient  tp:I cp:V0 ep:V0 dp:V0
    zero=3 alike      finished  tp:I cp:V0 ep:V0 dp:V0
    zero=3 alike      moments   tp:I cp:V0 ep:V0 dp:V0
    zero=3 alike      outer     tp:I cp:V0 ep:V0 dp:V0
    zero=3 eachItsOwn param     tp:R cp:V0 ep:V0 dp:V0
    zero=3 eachItsOwn gradient  tp:P cp:V0 ep:V0 dp:V0
    zero=3 eachItsOwn finished  tp:I cp:V0 ep:V0 dp:V0
    zero=3 eachItsOwn moments   tp:I cp:V0 ep:V0 dp:V0
    zero=3 eachItsOwn outer     tp:I cp:V0 ep:V0 dp:V0"
  `);
});

test('what ZeRO shares out is what varies over data ranks and did not before', () => {
  const { param, gradient, moments } = placementOf(cut, 2);
  expect(sharedOver(param, cut)).toEqual([]);
  expect(sharedOver(gradient, cut)).toEqual(['cp', 'ep', 'dp']);
  expect(sharedOver(moments, cut)).toEqual(['cp', 'ep', 'dp']);
  expect(zeroOf(parseLayout('tp=4,zero=3'))).toBe(0);
  expect(zeroOf(parseLayout('tp=4,dp=2,zero=3'))).toBe(3);
});

test('parts over a set of axes are dealt once each, the first axis fastest; first holders are one of each', () => {
  const mesh: Mesh = { tp: 2, cp: 2, ep: 1, dp: 3, pp: 1 };
  const ranks = Array.from({ length: worldSize(mesh) }, (_, rank) => coordsOf(mesh, rank));
  for (const { tp, cp, dp, ...rest } of ranks)
    expect(partOver(['cp', 'dp'], mesh, { tp, cp, dp, ...rest })).toEqual({ index: cp + 2 * dp, count: 6 });
  const { param, moments } = placementOf(alike, 1);
  expect(ranks.filter((coords) => isFirstHolder(param, coords)).length).toBe(1);
  expect(ranks.filter((coords) => isFirstHolder(moments, coords)).length).toBe(6);
  expect(ranks.filter((coords) => isFirstHolder(placementOf(cut, 0).param, coords)).length).toBe(2);
});
