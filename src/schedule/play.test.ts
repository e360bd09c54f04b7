// Playing schedules against a clock.
import { expect, test } from 'vitest';
import { gpipe } from './gpipe.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { play } from './play.ts';

test('two stages, one microbatch, with transfers', () => {
  const played = play(oneFOneB(2, 1), {
    forwardSeconds: (stage) => [3, 5][stage]!,
    backwardSeconds: (stage) => [7, 11][stage]!,
    sendSeconds: (from, to) => (from < to ? 1 : 2),
  });
  expect(played.makespan).toBe(3 + 1 + 5 + 11 + 2 + 7);
  expect(played.busy).toEqual([10, 16]);
  expect(played.bubbleFraction).toBeCloseTo(1 - 26 / 58, 12);
  const row = (stage: number) =>
    played.spans
      .filter((span) => span.stage === stage)
      .map(({ action, start, end }) => `${action.kind} ${start}-${end}`);
  expect(row(0)).toEqual(['forward 0-3', 'sendActivation 3-4', 'recvGradient 4-22', 'backward 22-29']);
  expect(row(1)).toEqual(['recvActivation 0-4', 'forward 4-9', 'backward 9-20', 'sendGradient 20-22']);
});

test('the slowest stage sets the pace', () => {
  const slow = { forwardSeconds: (s: number) => (s === 2 ? 4 : 1), backwardSeconds: (s: number) => (s === 2 ? 8 : 2) };
  const short = play(gpipe(4, 10), slow);
  const long = play(gpipe(4, 20), slow);
  expect(long.makespan - short.makespan).toBe(10 * 12);
  expect(short.busy).toEqual([30, 30, 120, 30]);
});

test('nothing to do takes no time and has no bubble', () => {
  expect(play(gpipe(2, 2), { forwardSeconds: () => 0, backwardSeconds: () => 0 }).bubbleFraction).toBe(0);
});

test('a schedule that waits for ever is refused', () => {
  const stuck = {
    name: 'stuck',
    microbatches: 1,
    stages: [[{ kind: 'recvGradient', microbatch: 0, stage: 1 }], []],
  } as const;
  expect(() => play(stuck, { forwardSeconds: () => 1, backwardSeconds: () => 2 })).toThrow(
    'schedule stuck: a stage waits',
  );
});
