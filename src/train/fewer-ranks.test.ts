// A run on fewer ranks than it had: which layout, and that there always is one that divides.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Layout, parseLayout, printLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { checkFit } from '../model/fit.ts';
import { presets } from '../model/presets.ts';
import { layoutOnFewer } from './fewer-ranks.ts';

const config = parseModelConfig({ ...presets['llama-tiny'], num_hidden_layers: 6 }, 'llama-tiny');
const batch = { seqLen: 32, globalBatch: 12, microBatch: 2 };
const { heads, kvHeads } = config;

test.each([
  // Replicas go first, as many as divide the batch stay.
  ['dp=2', 1, 'tp=1', 2],
  ['dp=4', 3, 'dp=3', 2],
  ['dp=6', 5, 'dp=4', 1],
  ['tp=2,pp=2,dp=2', 7, 'tp=2,pp=2', 2],
  ['dp=3,zero=3,recompute=full', 2, 'dp=2,zero=3,recompute=full', 2],
  // Of one, the model is split anew, over as many ranks as can be.
  ['tp=2,sp', 1, 'tp=1', 2],
  ['tp=4,sp', 3, 'pp=3', 2],
  ['pp=4,virtual=1,schedule=zb-h1', 3, 'pp=3,schedule=zb-h1', 2],
  ['pp=2,stages=2+4', 1, 'tp=1', 2],
  ['tp=2,pp=2', 3, 'pp=3', 2],
  ['cp=2,dp=2,cpMode=gather', 3, 'cp=2,cpMode=gather', 2],
  ['cp=2,cpMode=ulysses', 1, 'tp=1', 2],
  ['cp=4', 3, 'pp=3', 2],
] as const)('%s on %i ranks: %s', (text, ranks, expected, microBatch) => {
  expect([heads, kvHeads]).toEqual([4, 2]);
  const found = layoutOnFewer(parseLayout(text), ranks, { config, batch })!;
  expect(printLayout(found.layout)).toBe(expected);
  expect(found.microBatch).toBe(microBatch);
});

test('a schedule out of a file goes with its stages', () => {
  const layout: Layout = { ...parseLayout('pp=2,dp=2'), schedule: 'file', scheduleFile: { path: 'a', text: '' } };
  expect(printLayout(layoutOnFewer(layout, 3, { config, batch })!.layout)).toBe('pp=2');
});

test('so many replicas stay as are asked for, each on fewer ranks', () => {
  const on = (text: string, ranks: number) =>
    layoutOnFewer(parseLayout(text), ranks, { config, batch, replicas: parseLayout(text).dp })?.layout;
  expect(printLayout(on('tp=2,dp=2', 3)!)).toBe('dp=2');
  expect(printLayout(on('tp=4,dp=2', 7)!)).toBe('dp=2,pp=3');
  expect(on('dp=4', 3)).toBeUndefined();
});

test('there is none for no ranks', () => {
  expect(layoutOnFewer(parseLayout('tp=1'), 0, { config, batch })).toBeUndefined();
});

const sizes = fc.constantFrom(1, 2, 3, 4, 6);
test('any layout that divides has one for any fewer ranks, and always the same', () => {
  fc.assert(
    fc.property(sizes, sizes, sizes, sizes, fc.boolean(), fc.nat(100), (tp, cp, pp, dp, sp, drawn) => {
      const layout: Layout = { ...parseLayout('tp=1'), tp, cp, pp, dp, sp: sp && tp > 1 };
      const shape = { ...batch, microBatch: 1 };
      try {
        checkFit(config, layout, shape);
      } catch {
        return;
      }
      const ranks = drawn % worldSize(layout);
      const found = layoutOnFewer(layout, ranks, { config, batch: shape });
      if (ranks === 0) {
        expect(found).toBeUndefined();
        return;
      }
      expect(worldSize(found!.layout)).toBeLessThanOrEqual(ranks);
      expect(checkFit(config, found!.layout, { ...shape, microBatch: found!.microBatch })).toBe(found!.microbatches);
      expect(layoutOnFewer(layout, ranks, { config, batch: shape })).toEqual(found);
    }),
  );
});
