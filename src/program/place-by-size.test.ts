// Greedy by size against the plainest way to say it: each buffer compared with all that are placed, repeated stretches too.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lifetimeOf, plainlyBySize } from '../../test/random-lifetimes.ts';
import { type Lifetime, livesOf } from './lives.ts';
import { placeBySize } from './place-by-size.ts';

const lifetime = lifetimeOf(fc.oneof(fc.constantFrom(0, 64, 1000, 5000), fc.nat(5000)), 40);
const lifetimes = fc.oneof(
  fc.array(lifetime, { maxLength: 10, size: 'max' }),
  fc.array(lifetime, { maxLength: 60, size: 'max' }),
);

const later = (lifetimes: readonly Lifetime[], by: number): Lifetime[] =>
  lifetimes.map(({ bytes, first, last }) => ({ bytes, first: first + by, last: last + by }));

/** The same over and over, one of them changed and one in another order: apart, or the end of one in the beginning of the next. */
const repeated = fc
  .record({
    each: lifetimes,
    times: fc.integer({ min: 2, max: 5 }),
    apart: fc.nat(2),
    odd: fc.nat(60),
    more: fc.constantFrom({ bytes: 7000 }, { last: 1 }, { first: -1 }),
    turned: fc.nat(5),
  })
  .map(({ each, times, apart, odd, more, turned }) => {
    const end = each.reduce((most, { last }) => Math.max(most, last), 0) + apart;
    const all = Array.from({ length: times }, (_, time) => {
      const again = later(each, time * end);
      return time === turned ? again.reverse() : again;
    }).flat();
    return all.map((lifetime, index) => (index === odd ? changed(lifetime, more) : lifetime));
  });

const changed = ({ bytes, first, last }: Lifetime, more: Partial<Lifetime>): Lifetime => ({
  bytes: bytes + (more.bytes ?? 0),
  first: Math.max(0, first + (more.first ?? 0)),
  last: last + (more.last ?? 0),
});

test.each([
  ['random lifetimes', lifetimes],
  ['stretches that repeat', repeated],
])('%s lie as if each were compared with all', (_, anyLifetimes) => {
  fc.assert(
    fc.property(anyLifetimes, (each) => {
      const lives = livesOf(each);
      expect(placeBySize(lives)).toEqual(plainlyBySize(each));
    }),
    { numRuns: 1000 },
  );
});
