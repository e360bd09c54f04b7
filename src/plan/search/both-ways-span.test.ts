// DualPipe in numbers: played it takes as long as the schedule does on the clock, and at least what arithmetic says.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { placeOf } from '../../mesh/layout.ts';
import { dualPipe } from '../../schedule/dual-pipe.ts';
import { play } from '../../schedule/play.ts';
import type { WorkKind } from '../../schedule/schedule.ts';
import { bothWaysSpan } from './both-ways-span.ts';
import { orderOf, playedSpan, workIndex } from './played-span.ts';

const seconds = fc.double({ min: 0.1, max: 1, noNaN: true });

/** Of a pair: less than of both one after the other, or more. */
const anyCase = fc
  .record({
    half: fc.integer({ min: 1, max: 5 }),
    more: fc.nat(6),
    send: fc.constantFrom<number>(0, 0.05, 2),
    overlaps: fc.boolean(),
  })
  .chain(({ half, more, send, overlaps }) => {
    const pp = 2 * half;
    const each = fc.array(seconds, { minLength: pp, maxLength: pp }).map((all) => Float64Array.from(all));
    const works = fc.record({ forward: each, backward: each, inputGradient: each, weightGradient: each, pair: each });
    return works.map((works) => ({ pp, microbatches: 2 * pp + 2 * more, send, overlaps, works }));
  });

type Case = typeof anyCase extends fc.Arbitrary<infer C> ? C : never;

/** The forward of a pair takes all of it. */
function clockSeconds({ pp, microbatches, send, overlaps, works }: Case): number {
  const layout = { pp, schedule: 'dualpipe' } as const;
  const sends = () => send;
  return play(dualPipe(pp, microbatches), {
    workSeconds(stage, { kind, chunk, beside }) {
      const place = placeOf(layout, stage, chunk);
      if (!beside) return works[kind][place]!;
      return kind === 'forward' ? works.pair[place]! : 0;
    },
    ...(overlaps ? { transitSeconds: sends } : { sendSeconds: sends }),
  }).makespan;
}

function playedSeconds({ pp, microbatches, send, overlaps, works }: Case): number {
  const busy = overlaps ? 0 : send;
  const all = new Float64Array(4 * pp);
  const says = (kind: WorkKind, place: number): boolean =>
    kind === 'forward' ? place < pp - 1 : kind !== 'weightGradient' && place > 0;
  for (const kind of ['forward', 'backward', 'inputGradient', 'weightGradient'] as const)
    for (let place = 0; place < pp; place++)
      all[workIndex(place, kind)] = works[kind][place]! + (says(kind, place) ? busy : 0);
  const pairs = works.pair.map((each, place) => each + (place < pp - 1 ? 2 * busy : 0));
  const order = orderOf({ pp, virtual: 1, schedule: 'dualpipe' }, microbatches);
  return playedSpan(order, { works: all, pairs: { works: pairs, busy }, transit: send - busy });
}

test('played in numbers it takes as long as on the clock', () => {
  fc.assert(
    fc.property(anyCase, (each) => {
      expect(playedSeconds(each) / clockSeconds(each)).toBeCloseTo(1, 9);
    }),
    { numRuns: 200 },
  );
});

test('it takes as long as arithmetic says, or longer', () => {
  fc.assert(
    fc.property(anyCase, ({ works, ...each }) => {
      const least = bothWaysSpan(each, works);
      expect(least.seconds).toBeLessThanOrEqual(clockSeconds({ ...each, works }) * (1 + 1e-9));
    }),
    { numRuns: 500 },
  );
});

test('with stages that are alike it is near', () => {
  const pp = 8;
  const of = (each: number) => new Float64Array(pp).fill(each);
  const works = { forward: of(1), backward: of(2), inputGradient: of(1), weightGradient: of(1), pair: of(3) };
  const size = { pp, microbatches: 20, send: 0, overlaps: true };
  const [least, exact] = [bothWaysSpan(size, works).seconds, clockSeconds({ ...size, works })];
  expect(least).toBeLessThanOrEqual(exact);
  expect(least).toBeGreaterThan(0.9 * exact);
});
