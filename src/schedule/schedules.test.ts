// Which schedule a layout gets.
import { expect, test } from 'vitest';
import { FivefoldError } from '../errors.ts';
import { parseLayout } from '../mesh/layout.ts';
import { describe } from './describe.ts';
import { gpipe } from './gpipe.ts';
import { interleaved } from './interleaved.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { forwardScheduleOf, scheduleOf } from './schedules.ts';
import { streaming } from './streaming.ts';
import { zeroBubbleH1 } from './zero-bubble-h1.ts';

test.each([
  ['pp=3', oneFOneB(3, 5)],
  ['pp=3,schedule=gpipe', gpipe(3, 5)],
  ['pp=3,schedule=gpipe,virtual=2', gpipe(3, 5, 2)],
  ['pp=3,virtual=2', interleaved(3, 5, 2)],
  ['pp=3,schedule=zb-h1', zeroBubbleH1(3, 5)],
])('%s', (text, schedule) => {
  expect(scheduleOf(parseLayout(text), 5)).toEqual(schedule);
});

test('forwards only are streamed whatever trains', () => {
  expect(forwardScheduleOf(parseLayout('pp=2,virtual=2,schedule=gpipe'), 3)).toEqual(streaming(2, 3, 2));
});

const fromFile = (layout: string, text: string, microbatches: number) => () =>
  scheduleOf(
    parseLayout(layout, () => text),
    microbatches,
  );

test('a file runs in the layout it is for', () => {
  const own = interleaved(2, 3, 2);
  expect(fromFile('pp=2,virtual=2,schedule=file:my', describe(own), 3)()).toEqual(own);
});

test.each([
  ['pp=3,schedule=file:my', oneFOneB(2, 4), 'it is for pp=2 and the layout has pp=3; use pp=2, or another file'],
  [
    'pp=2,schedule=file:my',
    interleaved(2, 4, 2),
    'it is for pp=2,virtual=2 and the layout has pp=2,virtual=1; use pp=2,virtual=2, or another file',
  ],
  [
    'pp=2,schedule=file:my',
    oneFOneB(2, 5),
    'it is for 5 microbatches and the step has 4; change globalBatch or microBatch, or use another file',
  ],
  [
    'pp=2,schedule=file:my',
    streaming(2, 4),
    'it has no backwards, which training needs; add them, or use another file',
  ],
])('%s with a file that is not for it', (layout, schedule, problem) => {
  const refused = expect(fromFile(layout, describe(schedule), 4));
  refused.toThrow(FivefoldError);
  refused.toThrow(expect.objectContaining({ code: 'SCHEDULE_FILE', message: `schedule my: ${problem}` }));
});
