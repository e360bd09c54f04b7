// Interleaved 1F1B: its actions as text, its memory and its bubble, for every number of microbatches.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timing } from '../../test/schedule-cases.ts';
import { scheduleText } from '../../test/schedule-text.ts';
import { groupsOf, interleaved } from './interleaved.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { play } from './play.ts';
import { verify } from './verify.ts';

test('two stages of two chunks, three microbatches: activations and gradients share a direction', () => {
  expect(scheduleText(interleaved(2, 3, 2))).toMatchInlineSnapshot(`
    "0: F0.0 a0.0> F1.0 a1.0> F2.0 a2.0> <a0.1 F0.1 a0.1> <a1.1 F1.1 a1.1> <a2.1 F2.1 a2.1> <g0.1 B0.1 g0.1> <g1.1 B1.1 g1.1> <g2.1 B2.1 g2.1> <g0.0 B0.0 <g1.0 B1.0 <g2.0 B2.0
    1: <a0.0 F0.0 a0.0> <a1.0 F1.0 a1.0> <a2.0 F2.0 a2.0> <a0.1 F0.1 B0.1 g0.1> <a1.1 F1.1 B1.1 g1.1> <a2.1 F2.1 B2.1 g2.1> <g0.0 B0.0 g0.0> <g1.0 B1.0 g1.0> <g2.0 B2.0 g2.0>"
  `);
});

test('microbatches in groups of as many as there are stages, or a few more', () => {
  const sizes = (microbatches: number) => groupsOf(microbatches, 4).map((group) => group.length);
  expect([3, 4, 7, 8, 9, 14, 16].map(sizes)).toEqual([[3], [4], [7], [4, 4], [5, 4], [5, 5, 4], [4, 4, 4, 4]]);
  expect(groupsOf(9, 4).flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

const shape = fc.record({
  p: fc.integer({ min: 2, max: 8 }),
  m: fc.integer({ min: 1, max: 40 }),
  v: fc.integer({ min: 2, max: 5 }),
});

test('the bubble is that of 1F1B divided by the chunks, with a microbatch a stage or more', () => {
  fc.assert(
    fc.property(shape, ({ p, m, v }) => {
      const played = play(interleaved(p, m, v), timing(1, 1, 1, v));
      const idle = played.makespan - Math.max(...played.busy);
      if (m >= p) expect(idle).toBeCloseTo((3 * (p - 1)) / v, 9);
      else expect(played.makespan).toBeLessThan(play(oneFOneB(p, m), timing(1, 1, 1)).makespan + 1e-9);
    }),
  );
});

test('keeps the warm-up and one more live, and channels hold no more than the warm-up', () => {
  fc.assert(
    fc.property(shape, ({ p, m, v }) => {
      const { peakLive, peakLiveByChunk, peakInFlight } = verify(interleaved(p, m, v));
      const largest = Math.max(...groupsOf(m, p).map((group) => group.length));
      const warmup = (s: number) => 2 * (p - 1 - s) + (v - 1) * largest;
      expect(peakLive).toEqual(Array.from({ length: p }, (_, s) => Math.min(m * v, warmup(s) + 1)));
      for (const [s, byChunk] of peakLiveByChunk.entries()) {
        expect(byChunk).toHaveLength(v);
        expect(Math.max(...byChunk)).toBeLessThanOrEqual(Math.min(m, peakLive[s]!));
      }
      for (const { messages } of peakInFlight) expect(messages).toBeLessThanOrEqual(2 * (warmup(0) + 1));
    }),
  );
});
