// GPipe: its actions as text, its memory and its bubble.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timing } from '../../test/schedule-cases.ts';
import { scheduleText } from '../../test/schedule-text.ts';
import { FivefoldError } from '../errors.ts';
import { gpipe } from './gpipe.ts';
import { play } from './play.ts';
import { verify } from './verify.ts';

test('two stages, three microbatches', () => {
  expect(scheduleText(gpipe(2, 3))).toMatchInlineSnapshot(`
    "0: F0 a0> F1 a1> F2 a2> <g0 B0 <g1 B1 <g2 B2
    1: <a0 F0 <a1 F1 <a2 F2 B0 g0> B1 g1> B2 g2>"
  `);
});

test('one stage has no messages', () => {
  expect(scheduleText(gpipe(1, 2))).toBe('0: F0 F1 B0 B1');
  expect(verify(gpipe(1, 2))).toEqual({ peakLive: [2], peakLiveByChunk: [[2]], peakInFlight: [] });
});

test('keeps every microbatch live on every stage and in every channel, with the bubble of the paper', () => {
  const size = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(size, fc.integer({ min: 1, max: 30 }), (p, m) => {
      const proof = verify(gpipe(p, m));
      expect(proof.peakLive).toEqual(Array(p).fill(m));
      expect(proof.peakInFlight).toHaveLength(2 * (p - 1));
      for (const channel of proof.peakInFlight) expect(channel.messages).toBe(m);
      const played = play(gpipe(p, m), timing(1, 1, 1));
      expect(played.makespan).toBe(3 * (m + p - 1));
      expect(played.bubbleFraction).toBeCloseTo((p - 1) / (m + p - 1), 12);
    }),
  );
});

test('several chunks: all microbatches through one, then through the next', () => {
  expect(scheduleText(gpipe(2, 2, 2))).toMatchInlineSnapshot(`
    "0: F0.0 a0.0> F1.0 a1.0> <a0.1 F0.1 a0.1> <a1.1 F1.1 a1.1> <g0.1 B0.1 g0.1> <g1.1 B1.1 g1.1> <g0.0 B0.0 <g1.0 B1.0
    1: <a0.0 F0.0 a0.0> <a1.0 F1.0 a1.0> <a0.1 F0.1 <a1.1 F1.1 B0.1 g0.1> B1.1 g1.1> <g0.0 B0.0 g0.0> <g1.0 B1.0 g1.0>"
  `);
});

test('chunks divide the bubble, with a microbatch a stage or more', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 8 }), fc.integer({ min: 2, max: 4 }), fc.nat(20), (p, v, more) => {
      const m = p + more;
      expect(verify(gpipe(p, m, v)).peakLive).toEqual(Array(p).fill(m * v));
      expect(play(gpipe(p, m, v), timing(1, 1, 1, v)).bubbleFraction).toBeCloseTo((p - 1) / (m * v + p - 1), 12);
    }),
  );
});

test('one stage in chunks is refused', () => {
  expect(() => gpipe(1, 4, 2)).toThrow('schedule gpipe: one stage in 2 chunks; use one chunk, or several stages');
});

test.each([
  [0, 4, '0 stages'],
  [1.5, 4, '1.5 stages'],
  [2, 0, '0 microbatches'],
  [2, Number.NaN, 'NaN microbatches'],
])('refuses %s stages with %s microbatches', (stages, microbatches, given) => {
  expect(() => gpipe(stages, microbatches)).toThrow(FivefoldError);
  expect(() => gpipe(stages, microbatches)).toThrow(`schedule gpipe: ${given}; use a whole number of at least 1`);
});
