// What a failing case prints is that case again.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Layout, scheduleNames } from '../src/mesh/layout.ts';
import { scheduleOf } from '../src/schedule/schedules.ts';
import { caseOf, casesOf, nameOf } from './random-cases.ts';

test('a case is read again from its name', () => {
  fc.assert(
    fc.property(casesOf(16), (each) => {
      expect(caseOf(nameOf(each))).toStrictEqual(each);
    }),
    { numRuns: 500 },
  );
});

test('schedules of all kinds can be run, and most of those in files are of none of them', () => {
  const cases = fc.sample(casesOf(8), { numRuns: 500, seed: 1 });
  expect(new Set(cases.map(({ layout }) => layout.schedule))).toEqual(new Set(scheduleNames));
  const stagesOf = (layout: Layout, microbatches: number) => JSON.stringify(scheduleOf(layout, microbatches).stages);
  const drawn = cases.filter(({ layout }) => layout.schedule === 'file' && layout.pp > 1);
  const own = drawn.filter(({ layout, microbatches }) => {
    const known = (['gpipe', '1f1b', 'zb-h1'] as const).map((schedule) =>
      stagesOf({ ...layout, schedule }, microbatches),
    );
    return !known.includes(stagesOf(layout, microbatches));
  });
  expect(own.length).toBeGreaterThan(0.8 * drawn.length);
  const texts = own.map(({ layout }) => layout.scheduleFile!.text);
  // Whole backwards, halves, and both in one.
  for (const kinds of [/B/, /W\d/, /BW/]) expect(texts.filter((text) => kinds.test(text)).length).toBeGreaterThan(10);
});
