// What a traced run says of its pipeline: every stage did the schedule's work in the schedule's order.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sharedPool } from '../../test/shared-pool.ts';
import { temporaryFolder, writeTokens } from '../../test/temporary-folder.ts';
import { tinyLlama } from '../../test/tiny-llama.ts';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import type { Played } from '../schedule/play.ts';
import { isMessage } from '../schedule/schedule.ts';
import { scheduleOf } from '../schedule/schedules.ts';
import { idleShare, playAgain, playMedian, readTimelines } from './timeline.ts';
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
    // Played again it is as busy, to rounding of times in microseconds since 1970.
    const again = playAgain(schedule, timeline);
    const busy = timeline.spans.reduce((sum, { start, end }) => sum + end - start, 0);
    expect(busyOf(again) / busy).toBeCloseTo(1, 6);
    expect(again.bubbleFraction).toBeGreaterThan(0);
    expect(idleShare(timeline)).toBeLessThan(1);
  }
  expect(playMedian(schedule, timelines).spans).toHaveLength(schedule.stages.flat().length);
});

const busyOf = ({ busy }: Played): number => busy.reduce((sum, seconds) => sum + seconds, 0);

test('idle is what lies between works, from the first begin to the last end', () => {
  const work = { kind: 'forward', microbatch: 0, chunk: 0 } as const;
  const spans = [
    { stage: 0, work, start: 5, end: 7 },
    { stage: 1, work, start: 7, end: 9 },
  ];
  expect(idleShare({ step: 1, spans })).toBe(0.5);
});
