// 1F1B: its actions as text, its memory and its bubble.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timing } from '../../test/schedule-cases.ts';
import { scheduleText } from '../../test/schedule-text.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { play } from './play.ts';
import { verify } from './verify.ts';

test('three stages, four microbatches', () => {
  expect(scheduleText(oneFOneB(3, 4))).toMatchInlineSnapshot(`
    "0: F0 a0> F1 a1> F2 a2> <g0 B0 F3 a3> <g1 B1 <g2 B2 <g3 B3
    1: <a0 F0 a0> <a1 F1 a1> <g0 B0 g0> <a2 F2 a2> <g1 B1 g1> <a3 F3 a3> <g2 B2 g2> <g3 B3 g3>
    2: <a0 F0 B0 g0> <a1 F1 B1 g1> <a2 F2 B2 g2> <a3 F3 B3 g3>"
  `);
});

test('fewer microbatches than stages', () => {
  expect(scheduleText(oneFOneB(4, 1))).toMatchInlineSnapshot(`
    "0: F0 a0> <g0 B0
    1: <a0 F0 a0> <g0 B0 g0>
    2: <a0 F0 a0> <g0 B0 g0>
    3: <a0 F0 B0 g0>"
  `);
  expect(verify(oneFOneB(4, 1)).peakLive).toEqual([1, 1, 1, 1]);
});

test('one stage alternates', () => {
  expect(scheduleText(oneFOneB(1, 3))).toBe('0: F0 B0 F1 B1 F2 B2');
});

test('keeps min(p - s, m) microbatches live, with the bubble of GPipe', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 30 }), (p, m) => {
      const proof = verify(oneFOneB(p, m));
      expect(proof.peakLive).toEqual(Array.from({ length: p }, (_, s) => Math.min(p - s, m)));
      const played = play(oneFOneB(p, m), timing(1, 1, 1));
      expect(played.makespan).toBe(3 * (m + p - 1));
      expect(played.bubbleFraction).toBeCloseTo((p - 1) / (m + p - 1), 12);
    }),
  );
});

test('channels hold no more than the warm-up, however many microbatches there are', () => {
  const { peakInFlight } = verify(oneFOneB(4, 64));
  const channels = peakInFlight.map(({ from, to, messages }) => `${from}>${to}: ${messages}`).sort();
  expect(channels).toEqual(['0>1: 4', '1>0: 4', '1>2: 3', '2>1: 3', '2>3: 2', '3>2: 2']);
});
