// Experts that tokens use, against counts of random choices.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from './lengths.ts';
import { busiestSlots, likingOf, usedExperts } from './used-experts.ts';

const skews = fc.double({ min: 0, max: 1.5, noNaN: true });

describe('experts', () => {
  test('used by some tokens are as many as a count of random choices finds', () => {
    // 2,000 draws of 12 tokens: the mean of the count is known to about 0.03.
    const mixture = { experts: 16, perToken: 2 };
    let state = 7;
    const random = () => {
      state = (state * 1103515245 + 12345) % 2 ** 31;
      return state / 2 ** 31;
    };
    let used = 0;
    for (let draw = 0; draw < 2000; draw++) {
      const experts = new Set<number>();
      for (let token = 0; token < 12; token++) {
        const first = Math.floor(16 * random());
        experts.add(first).add((first + 1 + Math.floor(15 * random())) % 16);
      }
      used += experts.size;
    }
    expect(Math.abs(usedExperts(likingOf(mixture, 0), 12) - used / 2000)).toBeLessThan(0.1);
  });

  test('are fewer where some are liked more, and never less than those of one token', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 0, max: 1.5, noNaN: true }), (tokens, skew) => {
        const mixture = { experts: 64, perToken: 4 };
        const used = usedExperts(likingOf(mixture, skew), tokens);
        expect(used).toBeLessThanOrEqual(usedExperts(likingOf(mixture, 0), tokens) + 1e-9);
        if (tokens > 1) expect(used).toBeGreaterThan(usedExperts(likingOf(mixture, skew), 1));
      }),
    );
  });

  test('of the busiest rank have at least the mean of the slots and at most all', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.constantFrom(1, 2, 4, 8, 64),
        skews,
        (slots, ranks, skew) => {
          const busiest = busiestSlots(likingOf({ experts: 64, perToken: 4 }, skew), slots, ranks);
          expect(busiest).toBeGreaterThanOrEqual(slots / ranks);
          expect(busiest).toBeLessThanOrEqual(slots);
        },
      ),
    );
  });

  test('of the busiest rank are as many as where experts are dealt out at random, liked alike or not', () => {
    const random = seededRandom(7);
    for (const skew of [0, 0.6]) {
      const [experts, ranks, slots, trials] = [64, 8, 4096, 400];
      const likes = Array.from({ length: experts }, (_, place) => (place + 1) ** -skew);
      const all = likes.reduce((sum, like) => sum + like, 0);
      let busiest = 0;
      for (let trial = 0; trial < trials; trial++) {
        const shares = new Array<number>(ranks).fill(0);
        const dealt = likes.map((like) => ({ like, order: random() })).sort((a, b) => a.order - b.order);
        for (const [place, { like }] of dealt.entries()) shares[place % ranks]! += (slots * like) / all;
        // Of so many slots, chance adds a normal number to each.
        const chance = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
        busiest += Math.max(...shares.map((share) => share + Math.sqrt(share) * chance())) / trials;
      }
      // Likings have a longer tail than normal numbers, so that their greatest are greater, by a quarter here; 400 trials tell a tenth.
      const excess = (of: number) => (of * ranks) / slots - 1;
      const ratio = excess(busiestSlots(likingOf({ experts, perToken: 4 }, skew), slots, ranks)) / excess(busiest);
      expect(ratio).toBeGreaterThan(0.7);
      expect(ratio).toBeLessThan(1.25);
    }
  });
});
