// Where buffers lie: those alive together never overlap, and the arena is hardly more than the most that is alive at once.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCase, settingsOf } from '../../test/random-cases.ts';
import { parseLayout } from '../mesh/layout.ts';
import { worldSize } from '../mesh/mesh.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { alignment, type Lifetime, planMemory } from '../program/liveness.ts';
import { touched } from './program-builder.ts';
import type { RankProgram } from './step.ts';
import { buildTrainingStep } from './training-step.ts';

interface Placed extends Lifetime {
  readonly offset: number;
}

function expectApart(placed: readonly Placed[]): void {
  for (const [i, a] of placed.entries())
    for (const b of placed.slice(i + 1)) {
      const together = a.first <= b.last && b.first <= a.last;
      const overlap = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
      expect(together && overlap).toBe(false);
    }
}

const lifetime = fc
  .record({ bytes: fc.integer({ min: 1, max: 5000 }), first: fc.nat(40), length: fc.nat(15) })
  .map(({ bytes, first, length }) => ({ bytes, first, last: first + length }));

test('random lifetimes: apart, aligned, and never below the peak', () => {
  fc.assert(
    fc.property(fc.array(lifetime, { maxLength: 60 }), (lifetimes) => {
      const { offsets, bytes, peakBytes } = planMemory(lifetimes);
      const placed = lifetimes.map((each, index) => ({ ...each, offset: offsets[index]! }));
      expectApart(placed);
      expect(placed.every(({ offset }) => offset % alignment === 0)).toBe(true);
      expect(placed.every((each) => each.offset + each.bytes <= bytes)).toBe(true);
      expect(bytes).toBeGreaterThanOrEqual(peakBytes);
    }),
  );
});

function placedIn({ buffers, instructions }: RankProgram): Placed[] {
  const lives = new Map<number, { first: number; last: number }>();
  for (const [index, instruction] of instructions.entries())
    for (const id of touched(instruction)) lives.set(id, { first: lives.get(id)?.first ?? index, last: index });
  return buffers.flatMap(({ id, bytes, offset }) => {
    const life = lives.get(id);
    return offset === undefined || life === undefined ? [] : [{ bytes, offset, ...life }];
  });
}

test('the buffers of real steps lie apart', () => {
  fc.assert(
    fc.property(anyCase, fc.nat(100), (each, pick) => {
      const settings = settingsOf(each, 'f32');
      const step = buildTrainingStep(settings, pick % worldSize(settings.layout));
      const placed = placedIn(step);
      expect(placed.length).toBeGreaterThan(0);
      expectApart(placed);
    }),
    { numRuns: 25 },
  );
});

test.each([
  ['llama-small', 'tp=1', 256],
  ['llama-small', 'tp=2,pp=2,sp', 256],
  ['gpt2', 'pp=4,schedule=gpipe', 512],
  ['gpt2', 'tp=4,pp=3', 1024],
] as const)('%s in %s: the arena is within a tenth of what is alive at once', (name, text, seqLen) => {
  const layout = parseLayout(text);
  const config = parseModelConfig(presets[name], name);
  for (let rank = 0; rank < worldSize(layout); rank++) {
    const settings = { config, layout, seqLen, microBatch: 1, microbatches: 8, precision: 'f32' } as const;
    const { arenaBytes, livePeakBytes } = buildTrainingStep(settings, rank);
    expect(arenaBytes).toBeGreaterThanOrEqual(livePeakBytes);
    expect(arenaBytes / livePeakBytes).toBeLessThan(1.1);
  }
});
