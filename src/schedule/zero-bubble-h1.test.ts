// ZB-H1: its actions as text, its memory, its bubble, and that it idles less than interleaved 1F1B, which idles less than 1F1B.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timing } from '../../test/schedule-cases.ts';
import { scheduleText } from '../../test/schedule-text.ts';
import { interleaved } from './interleaved.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { play, type Timing } from './play.ts';
import type { Schedule } from './schedule.ts';
import { verify } from './verify.ts';
import { zeroBubbleH1 } from './zero-bubble-h1.ts';

test('three stages, four microbatches', () => {
  expect(scheduleText(zeroBubbleH1(3, 4))).toMatchInlineSnapshot(`
    "0: F0 a0> F1 a1> F2 a2> <g0 B0 W0 F3 a3> <g1 B1 W1 <g2 B2 W2 <g3 B3 W3
    1: <a0 F0 a0> <a1 F1 a1> <g0 B0 g0> <a2 F2 a2> <g1 B1 g1> W0 <a3 F3 a3> <g2 B2 g2> W1 <g3 B3 g3> W2 W3
    2: <a0 F0 B0 g0> <a1 F1 B1 g1> <a2 F2 B2 g2> W0 <a3 F3 B3 g3> W1 W2 W3"
  `);
});

test('fewer microbatches than stages, and one stage', () => {
  expect(scheduleText(zeroBubbleH1(3, 1))).toMatchInlineSnapshot(`
    "0: F0 a0> <g0 B0 W0
    1: <a0 F0 a0> <g0 B0 g0> W0
    2: <a0 F0 B0 g0> W0"
  `);
  expect(scheduleText(zeroBubbleH1(1, 2))).toBe('0: F0 B0 W0 F1 B1 W1');
});

/** Seconds in which the busiest stage does nothing. */
function idle(schedule: Schedule, seconds: Timing): number {
  const { makespan, busy } = play(schedule, seconds);
  return makespan - Math.max(...busy);
}

test("every stage keeps as many live as 1F1B's first one, and idles (p - 1)(F + B - W) seconds", () => {
  const seconds = fc.integer({ min: 1, max: 9 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 30 }),
      seconds,
      seconds,
      seconds,
      (p, m, f, b, w) => {
        const schedule = zeroBubbleH1(p, m);
        expect(verify(schedule).peakLive).toEqual(Array(p).fill(Math.min(p, m)));
        expect(Math.max(...verify(oneFOneB(p, m)).peakLive)).toBe(Math.min(p, m));
        // The paper's formula, where W takes the least, as it does in transformers: attention's own products have none.
        if (m >= p && w <= f && w <= b) expect(idle(schedule, timing(f, b, w))).toBe((p - 1) * (f + b - w));
      },
    ),
  );
});

test('equal stages: ZB-H1 idles less than interleaved 1F1B of two chunks, and that less than 1F1B', () => {
  for (const p of [2, 4, 8])
    for (const m of [p, p + 1, 2 * p, 4 * p + 3]) {
      const [zeroBubble, two, one] = [
        play(zeroBubbleH1(p, m), timing(1, 1, 1)),
        play(interleaved(p, m, 2), timing(1, 1, 1, 2)),
        play(oneFOneB(p, m), timing(1, 1, 1)),
      ];
      const idles = [zeroBubble, two, one].map(({ makespan }) => makespan - 3 * m);
      expect(idles).toEqual([p - 1, (3 * (p - 1)) / 2, 3 * (p - 1)]);
      expect(one.bubbleFraction).toBeCloseTo((p - 1) / (m + p - 1), 12);
      expect(zeroBubble.bubbleFraction).toBeLessThan(two.bubbleFraction);
      expect(two.bubbleFraction).toBeLessThan(one.bubbleFraction);
    }
});
