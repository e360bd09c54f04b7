// Streaming: forwards only, nothing stays live.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timing } from '../../test/schedule-cases.ts';
import { scheduleText } from '../../test/schedule-text.ts';
import { play } from './play.ts';
import { streaming } from './streaming.ts';
import { verify } from './verify.ts';

test('as text', () => {
  expect(scheduleText(streaming(3, 2))).toMatchInlineSnapshot(`
    "0: F0 a0> F1 a1>
    1: <a0 F0 a0> <a1 F1 a1>
    2: <a0 F0 <a1 F1"
  `);
  expect(scheduleText(streaming(2, 3, 2))).toMatchInlineSnapshot(`
    "0: F0.0 a0.0> F1.0 a1.0> F2.0 a2.0> <a0.1 F0.1 a0.1> <a1.1 F1.1 a1.1> <a2.1 F2.1 a2.1>
    1: <a0.0 F0.0 a0.0> <a1.0 F1.0 a1.0> <a2.0 F2.0 a2.0> <a0.1 F0.1 <a1.1 F1.1 <a2.1 F2.1"
  `);
});

test('one microbatch is live a stage, and all take the time of one and a step for each of the others', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 1, max: 4 }), fc.nat(20), (p, v, more) => {
      const m = p + more;
      expect(verify(streaming(p, m, v)).peakLive).toEqual(Array(p).fill(1));
      expect(play(streaming(p, m, v), timing(1, 0, 0)).makespan).toBe(m * v + p - 1);
    }),
  );
});
