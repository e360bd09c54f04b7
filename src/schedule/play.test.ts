// Playing schedules against a clock.
import { expect, test } from 'vitest';
import { timing } from '../../test/schedule-cases.ts';
import { gpipe } from './gpipe.ts';
import { interleaved } from './interleaved.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { play, type Timing } from './play.ts';

test('two stages, one microbatch, with transfers', () => {
  const played = play(oneFOneB(2, 1), {
    workSeconds: (stage, { kind }) => (kind === 'forward' ? [3, 5] : [7, 11])[stage]!,
    sendSeconds: (_, { what }) => (what === 'activation' ? 1 : 2),
  });
  expect(played.makespan).toBe(3 + 1 + 5 + 11 + 2 + 7);
  expect(played.busy).toEqual([10, 16]);
  expect(played.bubbleFraction).toBeCloseTo(1 - 26 / 58, 12);
  const row = (stage: number) =>
    played.spans
      .filter((span) => span.stage === stage)
      .map(({ action, start, end }) => `${action.kind} ${start}-${end}`);
  expect(row(0)).toEqual(['forward 0-3', 'send 3-4', 'recv 4-22', 'backward 22-29']);
  expect(row(1)).toEqual(['recv 0-4', 'forward 4-9', 'backward 9-20', 'send 20-22']);
});

test('the slowest stage sets the pace', () => {
  const slow: Timing = { workSeconds: (stage, { kind }) => (stage === 2 ? 4 : 1) * (kind === 'forward' ? 1 : 2) };
  const short = play(gpipe(4, 10), slow);
  const long = play(gpipe(4, 20), slow);
  expect(long.makespan - short.makespan).toBe(10 * 12);
  expect(short.busy).toEqual([30, 30, 120, 30]);
});

test('nothing to do takes no time and has no bubble', () => {
  expect(play(gpipe(2, 2), timing(0, 0, 0)).bubbleFraction).toBe(0);
});

test('a schedule that waits for ever is refused', () => {
  const stuck = {
    name: 'stuck',
    microbatches: 1,
    chunks: 1,
    bothWays: false,
    forwardOnly: false,
    stages: [[{ kind: 'recv', what: 'gradient', microbatch: 0, chunk: 0, stage: 1 }], []],
  } as const;
  expect(() => play(stuck, timing(1, 1, 1))).toThrow('schedule stuck: a stage waits');
});

test('each chunk of each stage takes its own time', () => {
  const seconds = [
    [1, 10],
    [100, 1000],
  ];
  const played = play(interleaved(2, 3, 2), { workSeconds: (stage, { chunk }) => seconds[stage]![chunk]! });
  expect(played.busy).toEqual([6 * 11, 6 * 1100]);
});
