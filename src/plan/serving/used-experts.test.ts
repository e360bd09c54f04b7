// Experts that tokens use, against counts of random choices.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { busiestSlots, usedExperts } from './used-experts.ts';

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
    expect(Math.abs(usedExperts(mixture, 12, 0) - used / 2000)).toBeLessThan(0.1);
  });

  test('are fewer where some are liked more, and never less than those of one token', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 0, max: 1.5, noNaN: true }), (tokens, skew) => {
        const mixture = { experts: 64, perToken: 4 };
        const used = usedExperts(mixture, tokens, skew);
        expect(used).toBeLessThanOrEqual(usedExperts(mixture, tokens, 0) + 1e-9);
        if (tokens > 1) expect(used).toBeGreaterThan(usedExperts(mixture, 1, skew));
      }),
    );
  });

  test('of the busiest rank have at least the mean of the slots and at most all', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.constantFrom(1, 2, 4, 8, 64), (slots, ranks) => {
        const busiest = busiestSlots(slots, ranks);
        expect(busiest).toBeGreaterThanOrEqual(slots / ranks);
        expect(busiest).toBeLessThanOrEqual(slots);
      }),
    );
  });
});
