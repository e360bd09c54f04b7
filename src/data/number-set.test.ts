// A set of numbers against the built-in one, and where its words and levels meet.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createNumberSet } from './number-set.ts';

test('finds what a search through all members finds', () => {
  // One level, two, three; and the sizes around a full one.
  const size = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(1023, 1024, 1025, 32_768, 40_000));
  const cases = size.chain((below) =>
    fc.record({
      below: fc.constant(below),
      changes: fc.array(fc.record({ value: fc.nat({ max: below - 1 }), add: fc.boolean() }), { maxLength: 60 }),
      asked: fc.array(fc.nat({ max: below }), { minLength: 1, maxLength: 20 }),
    }),
  );
  fc.assert(
    fc.property(cases, ({ below, changes, asked }) => {
      const set = createNumberSet(below);
      const expected = new Set<number>();
      for (const { value, add } of changes) {
        if (add) set.add(value);
        else set.remove(value);
        if (add) expected.add(value);
        else expected.delete(value);
      }
      const members = [...expected].sort((a, b) => a - b);
      for (const value of [...asked, ...members])
        expect(set.atLeast(value)).toBe(members.find((member) => member >= value) ?? -1);
    }),
  );
});
