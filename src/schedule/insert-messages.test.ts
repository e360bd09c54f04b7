// Where the messages go: sends at once, receives as late as the order of their channel lets them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anySchedule } from '../../test/schedule-cases.ts';
import { scheduleText } from '../../test/schedule-text.ts';
import { parseSchedule } from './parse.ts';
import { isMessage, messageTag, placementOf } from './schedule.ts';
import { verify } from './verify.ts';

test('a message that is needed after a later one is received before that one', () => {
  const text = `
    schedule odd stages=2 microbatches=2
    stage 0: F0 F1 B1 B0
    stage 1: F1 F0 B1 B0`;
  expect(scheduleText(parseSchedule(text))).toMatchInlineSnapshot(`
    "0: F0 a0> F1 a1> <g1 B1 <g0 B0
    1: <a0 <a1 F1 F0 B1 g1> B0 g0>"
  `);
});

test('every send follows its work, and no receive could come after the next work', () => {
  fc.assert(
    fc.property(anySchedule({ stages: 6, microbatches: 9, chunks: 3 }), (schedule) => {
      for (const [stage, actions] of schedule.stages.entries())
        for (const [index, action] of actions.entries()) {
          if (!isMessage(action)) continue;
          if (action.kind === 'send') {
            const { microbatch, chunk } = actions[index - 1]!;
            expect({ microbatch, chunk }).toEqual({ microbatch: action.microbatch, chunk: action.chunk });
            continue;
          }
          const next = actions.findIndex((each, i) => i > index && !isMessage(each));
          const later = actions.toSpliced(index, 1).toSpliced(next, 0, action);
          expect(() => verify({ ...schedule, stages: schedule.stages.with(stage, later) })).toThrow();
        }
    }),
    { numRuns: 60 },
  );
});

test('a tag is equal at both ends of a message, and no two messages of a schedule share one', () => {
  fc.assert(
    fc.property(anySchedule({ stages: 6, microbatches: 9, chunks: 4 }), (schedule) => {
      const { stages } = schedule;
      const tags = (kind: 'send' | 'recv') =>
        stages.flatMap((actions, stage) =>
          actions.flatMap((action) => (action.kind === kind ? [messageTag(placementOf(schedule), stage, action)] : [])),
        );
      const [sent, received] = [tags('send'), tags('recv')];
      expect(new Set(sent).size).toBe(sent.length);
      expect(sent.toSorted((a, b) => a - b)).toEqual(received.toSorted((a, b) => a - b));
      for (const tag of sent) expect(tag >= 0 && tag < 2 ** 31 && Number.isInteger(tag)).toBe(true);
    }),
  );
  // The largest there is.
  const last = { kind: 'send', what: 'gradient', microbatch: 2 ** 16 - 1, chunk: 3, stage: 4094 } as const;
  expect(messageTag({ stages: 4096, bothWays: false }, 4095, last)).toBeLessThan(2 ** 31);
});
