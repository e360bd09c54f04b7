// What a failing case prints is that case again.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Case, caseOf, casesOf, nameOf } from './random-cases.ts';

test('a case is read again from its name', () => {
  fc.assert(
    fc.property(casesOf(16), (each) => {
      expect(caseOf(nameOf(each))).toStrictEqual(each);
    }),
    { numRuns: 500 },
  );
});

test('with the text of its schedule', () => {
  const [drawn] = fc.sample(casesOf(4), { numRuns: 1, seed: 1 }) as [Case];
  const layout = { ...drawn.layout, schedule: 'file', scheduleFile: { path: 'own', text: 'any text' } } as const;
  expect(caseOf(nameOf({ ...drawn, layout }))).toStrictEqual({ ...drawn, layout });
});
