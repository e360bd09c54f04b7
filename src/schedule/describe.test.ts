// Schedules as text, there and back, and every way in which a file can be wrong.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anySchedule } from '../../test/schedule-cases.ts';
import { FivefoldError } from '../errors.ts';
import { describe } from './describe.ts';
import { dualPipe } from './dual-pipe.ts';
import { interleaved } from './interleaved.ts';
import { parseSchedule } from './parse.ts';
import type { Schedule } from './schedule.ts';
import { streaming } from './streaming.ts';
import { verify } from './verify.ts';
import { zeroBubbleH1 } from './zero-bubble-h1.ts';

test('as text', () => {
  expect(
    [interleaved(2, 2, 2), zeroBubbleH1(2, 3), dualPipe(2, 4), streaming(2, 3)].map(describe).join('\n'),
  ).toMatchInlineSnapshot(`
    "# F0.1: forward of microbatch 0 through chunk 1; B: its backward
    schedule interleaved stages=2 chunks=2 microbatches=2
    stage 0: F0.0 F1.0 F0.1 F1.1 B0.1 B1.1 B0.0 B1.0
    stage 1: F0.0 F1.0 F0.1 B0.1 F1.1 B1.1 B0.0 B1.0

    # F0: forward of microbatch 0; B: gradient of its input; W: gradient of the weights
    schedule zb-h1 stages=2 microbatches=3
    stage 0: F0 F1 B0 W0 F2 B1 W1 B2 W2
    stage 1: F0 B0 F1 B1 W0 F2 B2 W1 W2

    # F0.1: forward of microbatch 0 in direction 1; B: gradient of its input; W: gradient of the weights
    schedule dualpipe stages=2 directions=2 microbatches=4
    stage 0: F0.0 F2.1 F1.0 BW2.1 F3.1 BW0.0 BW3.1 B1.0 W1.0
    stage 1: F2.1 F0.0 F3.1 BW0.0 F1.0 BW2.1 BW1.0 B3.1 W3.1

    # F0: forward of microbatch 0
    schedule streaming stages=2 microbatches=3
    stage 0: F0 F1 F2
    stage 1: F0 F1 F2
    "
  `);
});

/** Some input gradients right before their weight gradients made whole. */
const joined = (schedule: Schedule, which: readonly boolean[]): Schedule => {
  const text = describe(schedule);
  let pair = 0;
  return parseSchedule(
    text.replace(/B(\d+) W(\d+)/g, (both, b, w) => (b === w && which[pair++ % which.length] ? `BW${b}` : both)),
  );
};

test('what is described parses to itself', () => {
  fc.assert(
    fc.property(anySchedule({ stages: 6, microbatches: 12, chunks: 4 }), (schedule) => {
      expect(parseSchedule(describe(schedule))).toEqual(schedule);
    }),
  );
});

test('also with whole backwards beside split ones', () => {
  const which = fc.array(fc.boolean(), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 8 }), which, (p, m, some) => {
      const mixed = joined(zeroBubbleH1(p, m), some);
      expect(verify(mixed).peakLive).toHaveLength(p);
      expect(parseSchedule(describe(mixed))).toEqual(mixed);
    }),
  );
});

test('comments, blanks and the order of the lines make no difference', () => {
  const text =
    '# mine\r\n\r\nschedule my stages=2   microbatches=1 # small\r\nstage 1:  F0   B0 # last\r\n  stage 0: F0 B0\r\n';
  expect(parseSchedule(text)).toEqual(
    parseSchedule('schedule my stages=2 microbatches=1\nstage 0: F0 B0\nstage 1: F0 B0'),
  );
});

const wrong: readonly string[] = [
  '',
  '# nothing',
  'stage 0: F0 B0',
  'schedule',
  'schedule my/schedule stages=1 microbatches=1',
  'schedule my stages=1',
  'schedule my microbatches=1',
  'schedule my stages=1 stages=1 microbatches=1',
  'schedule my stages=1 microbatches=many',
  'schedule my stages=1 microbatches=1 colour=red',
  'schedule my stages=2 directions=2 microbatches=4',
  'schedule my stages=0 microbatches=1',
  'schedule my stages=1 chunks=2 microbatches=1',
  'schedule my stages=999999999 microbatches=1',
  'schedule my stages=2000 microbatches=1',
  'schedule my stages=1 microbatches=65000\nstage 0: F0 B0',
  'schedule my stages=1 microbatches=1\nstage 0 F0 B0',
  `schedule my stages=1 microbatches=1\nstage 0: F0 B0\n${'x'.repeat(100)}`,
  'schedule my stages=1 microbatches=1\nstage 1: F0 B0',
  'schedule my stages=1 microbatches=1\nstage 0: F0 B0\nstage 0: F0 B0',
  'schedule my stages=1 microbatches=1\nstage 0:',
  'schedule my stages=2 microbatches=1\nstage 0: F0 B0',
  'schedule my stages=1 microbatches=1\nstage 0: F0 X0',
  'schedule my stages=1 microbatches=1\nstage 0: F0 b0',
  'schedule my stages=1 microbatches=1\nstage 0: F B0',
  'schedule my stages=1 microbatches=1\nstage 0: F0.0 B0',
  'schedule my stages=2 chunks=2 microbatches=1\nstage 0: F0 B0\nstage 1: F0 B0',
  'schedule my stages=2 chunks=2 microbatches=1\nstage 0: F0.2 B0.2\nstage 1: F0.0 B0.0',
  'schedule my stages=1 microbatches=1\nstage 0: F1 B0',
  'schedule my stages=1 microbatches=2\nstage 0: F0 F1 B0',
  'schedule my stages=2 microbatches=2\nstage 0: F0 F1 B0 B1\n# a comment\nstage 1: F0 B0 B1',
  'schedule my stages=1 microbatches=1\nstage 0: F0 B0 F0',
  'schedule my stages=1 microbatches=1\nstage 0: B0 F0',
  'schedule my stages=1 microbatches=1\nstage 0: F0 W0 B0',
  'schedule my stages=1 microbatches=2\nstage 0: F0 F1 B0 B1 W0',
  'schedule my stages=1 microbatches=1\nstage 0: F0 BW0 W0',
  'schedule my stages=2 microbatches=2\nstage 0: F0 B0 F1 B1\nstage 1: F0 F1 B0 B1',
  'schedule my stages=3 microbatches=2\nstage 0: F0 F1 B0 B1\nstage 1: F0 B0 F1 B1\nstage 2: F0 F1 B1 B0',
];

const messageOf = (text: string): string => {
  try {
    parseSchedule(text, 'my.schedule');
    return 'parsed';
  } catch (error) {
    if (!(error instanceof FivefoldError) || error.code !== 'SCHEDULE_FILE') throw error;
    expect(error.exit).toBe(2);
    return error.message.replace('schedule my.schedule: ', '');
  }
};

test('every mistake is told by its line and what is there', () => {
  expect(
    wrong.map((text) => `${text.replaceAll('\n', ' | ').slice(0, 110)}\n  ${messageOf(text)}`).join('\n'),
  ).toMatchInlineSnapshot(`
    "
      it is empty; begin with a line like: schedule 1f1b stages=4 microbatches=8
    # nothing
      it is empty; begin with a line like: schedule 1f1b stages=4 microbatches=8
    stage 0: F0 B0
      line 1 is no header; begin with a line like: schedule 1f1b stages=4 microbatches=8
    schedule
      line 1 is no header; begin with a line like: schedule 1f1b stages=4 microbatches=8
    schedule my/schedule stages=1 microbatches=1
      line 1 is no header; begin with a line like: schedule 1f1b stages=4 microbatches=8
    schedule my stages=1
      line 1 does not say microbatches; begin with a line like: schedule 1f1b stages=4 microbatches=8
    schedule my microbatches=1
      line 1 does not say stages; begin with a line like: schedule 1f1b stages=4 microbatches=8
    schedule my stages=1 stages=1 microbatches=1
      line 1: "stages=1" is no size of a schedule; begin with a line like: schedule 1f1b stages=4 microbatches=8
    schedule my stages=1 microbatches=many
      line 1: "microbatches=many" is no size of a schedule; begin with a line like: schedule 1f1b stages=4 microbatches=8
    schedule my stages=1 microbatches=1 colour=red
      line 1: "colour=red" is no size of a schedule; begin with a line like: schedule 1f1b stages=4 microbatches=8
    schedule my stages=2 directions=2 microbatches=4
      line 1: it goes both ways, which is planned for and never run; use one with chunks
    schedule my stages=0 microbatches=1
      line 1: 0 stages; use a whole number of at least 1; change its sizes
    schedule my stages=1 chunks=2 microbatches=1
      line 1: one stage in 2 chunks; use one chunk, or several stages; change its sizes
    schedule my stages=999999999 microbatches=1
      line 1: 999999999 stages of 1 chunks; use at most 16384 chunks in all; change its sizes
    schedule my stages=2000 microbatches=1
      line 1: 2000 stages; use at most 1024
    schedule my stages=1 microbatches=65000 | stage 0: F0 B0
      line 2 (stage 0) has less work than 65000 forwards; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=1 | stage 0 F0 B0
      line 2 begins with "stage 0 F0 B0"; write a line a stage, like: stage 0: F0 F1 B0 B1
    schedule my stages=1 microbatches=1 | stage 0: F0 B0 | xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
      line 3 begins with "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..."; write a line a stage, like: stage 0: F0 F1 B0 B1
    schedule my stages=1 microbatches=1 | stage 1: F0 B0
      line 2 is of stage 1, outside 0..0; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=1 | stage 0: F0 B0 | stage 0: F0 B0
      line 3 is of stage 0, and so is line 2; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=1 | stage 0:
      line 2 (stage 0) has no work; compare it with what fivefold describe prints
    schedule my stages=2 microbatches=1 | stage 0: F0 B0
      stage 1 has no line; add a line like: stage 1: F0 B0
    schedule my stages=1 microbatches=1 | stage 0: F0 X0
      line 2: "X0" is no work; write F, B or W and a microbatch, like F0
    schedule my stages=1 microbatches=1 | stage 0: F0 b0
      line 2: "b0" is no work; write F, B or W and a microbatch, like F0
    schedule my stages=1 microbatches=1 | stage 0: F B0
      line 2: "F" is no work; write F, B or W and a microbatch, like F0
    schedule my stages=1 microbatches=1 | stage 0: F0.0 B0
      line 2: "F0.0" names a chunk, and a stage has one; leave it out, or write chunks=2 in the header
    schedule my stages=2 chunks=2 microbatches=1 | stage 0: F0 B0 | stage 1: F0 B0
      line 2: "F0" names no chunk, and a stage has 2; write it like F0.0
    schedule my stages=2 chunks=2 microbatches=1 | stage 0: F0.2 B0.2 | stage 1: F0.0 B0.0
      line 2: "F0.2" names a chunk outside 0..1; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=1 | stage 0: F1 B0
      line 2: "F1" names a microbatch outside 0..0; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=2 | stage 0: F0 F1 B0
      line 2 (stage 0) has no B1; compare it with what fivefold describe prints
    schedule my stages=2 microbatches=2 | stage 0: F0 F1 B0 B1 | # a comment | stage 1: F0 B0 B1
      line 4 (stage 1) has no F1; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=1 | stage 0: F0 B0 F0
      line 2 (stage 0), F0 was already done: line 2 (stage 0), F0; each happens once a microbatch; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=1 | stage 0: B0 F0
      line 2 (stage 0), B0 comes before line 2 (stage 0), F0, which it needs; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=1 | stage 0: F0 W0 B0
      line 2 (stage 0), W0 comes before line 2 (stage 0), B0, which it needs; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=2 | stage 0: F0 F1 B0 B1 W0
      line 2 (stage 0) has no W1; compare it with what fivefold describe prints
    schedule my stages=1 microbatches=1 | stage 0: F0 BW0 W0
      line 2 (stage 0), W0 was already done: line 2 (stage 0), BW0; each happens once a microbatch; compare it with what fivefold describe prints
    schedule my stages=2 microbatches=2 | stage 0: F0 B0 F1 B1 | stage 1: F0 F1 B0 B1
      deadlock: line 2 (stage 0), B0 waits for line 3 (stage 1), F1 waits for line 2 (stage 0); compare it with what fivefold describe prints
    schedule my stages=3 microbatches=2 | stage 0: F0 F1 B0 B1 | stage 1: F0 B0 F1 B1 | stage 2: F0 F1 B1 B0
      deadlock: line 3 (stage 1), B0 waits for line 4 (stage 2), F1 waits for line 3 (stage 1); compare it with what fivefold describe prints"
  `);
});

test('a file with anything changed is refused in one line or still right', () => {
  const random = anySchedule({ stages: 4, microbatches: 5, chunks: 3 });
  const edit = fc.record({
    at: fc.nat(),
    cut: fc.nat(3),
    put: fc.constantFrom('', 'F', 'B0', ' ', '1', '.', '#', '\n', '=', 'W2 '),
  });
  let refused = 0;
  fc.assert(
    fc.property(random, fc.array(edit, { minLength: 1, maxLength: 3 }), (schedule, edits) => {
      let text = describe(schedule);
      for (const { at, cut, put } of edits) {
        const i = at % text.length;
        text = text.slice(0, i) + put + text.slice(i + cut);
      }
      const message = messageOf(text);
      if (message === 'parsed') expect(verify(parseSchedule(text)).peakLive).not.toEqual([]);
      else refused++;
      expect(message).toMatch(/^[^\n]+$/);
    }),
    { numRuns: 500 },
  );
  expect(refused).toBeGreaterThan(100);
});
