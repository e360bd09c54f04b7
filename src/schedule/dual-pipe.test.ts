// DualPipe: its actions as text, its memory, the paper's bubble, and what it refuses.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timing } from '../../test/schedule-cases.ts';
import { scheduleText } from '../../test/schedule-text.ts';
import { dualPipe } from './dual-pipe.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { play } from './play.ts';
import { isMessage } from './schedule.ts';
import { verify } from './verify.ts';
import { zeroBubbleH1 } from './zero-bubble-h1.ts';

test('two stages, four microbatches: of works side by side all is received before and sent after', () => {
  expect(scheduleText(dualPipe(2, 4))).toMatchInlineSnapshot(`
    "0: F0.0 a0.0> <a2.1 F2.1 F1.0 BW2.1 a1.0> g2.1> <a3.1 <g0.0 F3.1 BW0.0 BW3.1 g3.1> <g1.0 B1.0 W1.0
    1: F2.1 a2.1> <a0.0 F0.0 F3.1 BW0.0 a3.1> g0.0> <a1.0 <g2.1 F1.0 BW2.1 BW1.0 g1.0> <g3.1 B3.1 W3.1"
  `);
});

const sizes = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.nat(6))
  .map(([pairs, more]) => ({ stages: 2 * pairs, microbatches: 4 * pairs + 2 * more }));

test('it is proved, and holds one microbatch more than there are stages, on every stage', () => {
  fc.assert(
    fc.property(sizes, ({ stages, microbatches }) => {
      const schedule = dualPipe(stages, microbatches);
      const { peakLive, peakLiveByChunk } = verify(schedule);
      expect(peakLive).toEqual(Array(stages).fill(stages + 1));
      // Both directions are each other's mirror.
      expect(peakLiveByChunk).toEqual(peakLiveByChunk.toReversed().map((byChunk) => byChunk.toReversed()));
      for (const actions of schedule.stages) {
        const work = actions.filter((action) => !isMessage(action));
        expect(work.filter(({ kind }) => kind === 'forward')).toHaveLength(microbatches);
      }
    }),
    { numRuns: 40 },
  );
});

test("the stage that idles longest does so for (p/2 - 1)(F&B + B - 3 W) seconds, the paper's bubble", () => {
  const few = { min: 1, max: 10 };
  const seconds = fc.record({
    weights: fc.integer(few),
    moreForward: fc.integer(few),
    moreInput: fc.integer(few),
    side: fc.nat(10),
  });
  fc.assert(
    fc.property(sizes, seconds, ({ stages, microbatches }, { weights, moreForward, moreInput, side }) => {
      const F = weights + moreForward;
      const I = F + moreInput;
      const B = I + weights;
      // Side by side they take as long as the longer alone, or up to both one after another.
      const FB = Math.min(F + B, Math.max(F, B) + side);
      const alone = timing(F, I, weights).workSeconds;
      const { makespan, busy } = play(dualPipe(stages, microbatches), {
        workSeconds: (stage, work) => (work.kind === 'backward' && work.beside ? FB - F : alone(stage, work)),
      });
      expect(makespan - Math.min(...busy)).toBe((stages / 2 - 1) * (FB + B - 3 * weights));
    }),
    { numRuns: 200 },
  );
});

test('equal works: it idles less than ZB-H1, and that less than 1F1B', () => {
  for (const p of [4, 8]) {
    const idles = [dualPipe, zeroBubbleH1, oneFOneB].map(
      (make) => play(make(p, 3 * p), timing(1, 1, 1)).makespan - 9 * p,
    );
    expect(idles).toEqual([p - 2, p - 1, 3 * (p - 1)]);
  }
});

test.each([
  [3, 8, '3 stages are not an even number'],
  [4, 6, '6 microbatches are not an even number of at least 8, which 4 stages need'],
  [2, 5, '5 microbatches are not an even number of at least 4, which 2 stages need'],
])('refuses %s stages with %s microbatches', (stages, microbatches, problem) => {
  expect(() => dualPipe(stages, microbatches)).toThrow(`schedule dualpipe: ${problem}`);
});
