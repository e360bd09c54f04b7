// What a traced run says of its pipeline: every stage did the schedule's work in the schedule's order.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sharedPool } from '../../test/shared-pool.ts';
import { temporaryFolder, writeTokens } from '../../test/temporary-folder.ts';
import { tinyLlama } from '../../test/tiny-llama.ts';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { createTrace } from '../runtime/perfetto.ts';
import { gpipe } from '../schedule/gpipe.ts';
import { isMessage } from '../schedule/schedule.ts';
import { scheduleOf } from '../schedule/schedules.ts';
import { backward, forward } from '../schedule/work.ts';
import { idleShare, playAgain, playMedian, readTimelines, type Timeline, type WorkSpan } from './timeline.ts';
import { train } from './train.ts';

const folder = temporaryFolder('timeline');
const pool = sharedPool();
const tokenFile = writeTokens(join(folder, 'tokens.i32.bin'), 2000, tinyLlama.vocab_size);
const config = parseModelConfig({ ...tinyLlama, num_hidden_layers: 4 }, 'llama');

test.each([
  'pp=2',
  'pp=2,schedule=gpipe',
  'pp=2,virtual=2',
  'pp=4,schedule=zb-h1',
  'pp=2,dp=2,schedule=zb-h1,zero=3,recompute=full',
])('%s: each stage works in the order of its schedule', async (text) => {
  const layout = parseLayout(text);
  const trace = join(folder, 'trace.json');
  await train({
    model: { config },
    data: tokenFile,
    layout,
    steps: 2,
    seqLen: 16,
    globalBatch: 4 * layout.dp,
    microBatch: 1,
    trace,
    pool,
  });
  const schedule = scheduleOf(layout, 4);
  const timelines = readTimelines(trace);
  expect(timelines.map(({ step }) => step)).toEqual([1, 2]);
  for (const timeline of timelines) {
    const ran = (stage: number) => timeline.spans.filter((span) => span.stage === stage).map(({ work }) => work);
    for (const [stage, actions] of schedule.stages.entries())
      expect(ran(stage)).toEqual(actions.filter((action) => !isMessage(action)));
    // No work began before what it needs was there: played as early as can be, it takes no longer than it did.
    const { spans } = timeline;
    const took = Math.max(...spans.map(({ end }) => end)) - Math.min(...spans.map(({ start }) => start));
    expect(playAgain(schedule, timeline).makespan).toBeLessThanOrEqual(took + rounding);
  }
  expect(playMedian(schedule, timelines).spans).toHaveLength(schedule.stages.flat().length);
});

/** Of times in microseconds since 1970, in seconds. */
const rounding = 1e-5;

test("a stage's first rank speaks for it, whoever was written first: both stages of one replica", () => {
  const path = join(folder, 'replicas.json');
  const trace = createTrace(path);
  const forwardOf = (rank: number, stage: number, startMicroseconds: number): void => {
    const args = { step: 1, stage, phase: 'forward', microbatch: 0 };
    trace.add([{ rank, name: 'forward', category: 'step', startMicroseconds, durationMicroseconds: 1e6, args }]);
  };
  // Of two replicas, ranks 0 and 2, ranks 1 and 3.
  forwardOf(1, 0, 5e6);
  forwardOf(0, 0, 0);
  forwardOf(2, 1, 1e6);
  forwardOf(3, 1, 6e6);
  trace.close();
  expect(readTimelines(path)).toEqual([written(1, ['F0 0-1', 'F0 1-2'])]);
});

/** `F1 2-3`: the forward of microbatch 1 from second 2 to second 3. */
function written(step: number, stages: readonly string[]): Timeline {
  const span = (stage: number, text: string): WorkSpan => {
    const [, letter, microbatch, start, end] = /^([FB])(\d) (\d+)-(\d+)$/.exec(text)!;
    const work = letter === 'F' ? forward(Number(microbatch)) : backward(Number(microbatch));
    return { stage, work, start: Number(start), end: Number(end) };
  };
  return { step, spans: stages.flatMap((line, stage) => line.split(', ').map((text) => span(stage, text))) };
}

const twoByTwo = gpipe(2, 2);
const asPlanned = written(1, ['F0 0-1, F1 1-2, B0 5-7, B1 7-9', 'F0 1-2, F1 2-3, B0 3-5, B1 5-7']);

test('idle is what lies between works, from the first begin to the last end', () => {
  expect(idleShare(written(1, ['F0 5-7', 'F0 7-9']))).toBe(0.5);
  expect(idleShare(asPlanned)).toBeCloseTo(1 / 3);
  expect(playAgain(twoByTwo, asPlanned)).toMatchObject({ makespan: 9, bubbleFraction: expect.closeTo(1 / 3) });
});

test('a wait that the schedule does not ask for is idle as measured, and not when played again', () => {
  const late = written(1, ['F0 0-1, F1 1-2, B0 8-10, B1 10-12', 'F0 1-2, F1 5-6, B0 6-8, B1 8-10']);
  expect(idleShare(late)).toBeCloseTo(1 / 2);
  expect(playAgain(twoByTwo, late).bubbleFraction).toBeCloseTo(1 / 3);
});

test('work that takes longer makes others wait when played again, and moves no median', () => {
  const slow = written(2, ['F0 0-1, F1 1-2, B0 8-10, B1 10-12', 'F0 1-5, F1 5-6, B0 6-8, B1 8-10']);
  expect(idleShare(slow)).toBeCloseTo(3 / 8);
  expect(playAgain(twoByTwo, slow)).toMatchObject({ makespan: 12, busy: [6, 9] });
  expect(playMedian(twoByTwo, [asPlanned, slow])).toMatchObject({ makespan: 9, busy: [6, 6] });
  expect(playMedian(twoByTwo, [slow, slow, asPlanned]).makespan).toBe(9);
});

test('medians are of a kind of work on a stage', () => {
  const uneven = written(1, ['F0 0-1, F1 1-2, B0 9-11, B1 12-14', 'F0 1-4, F1 4-7, B0 7-9, B1 9-12']);
  // Of backwards of 2 and 3 seconds, the longer.
  expect(playMedian(twoByTwo, [uneven])).toMatchObject({ makespan: 15, busy: [6, 12] });
});
