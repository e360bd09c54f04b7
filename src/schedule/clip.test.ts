// What is left of a played schedule whose beginning alone is drawn.
import { expect, test } from 'vitest';
import { clip } from './clip.ts';
import { oneFOneB } from './one-f-one-b.ts';
import { play } from './play.ts';
import { isMessage } from './schedule.ts';

const played = play(oneFOneB(4, 8), { workSeconds: (_, { kind }) => (kind === 'forward' ? 1 : 2) });

test('no work outside, none missing, and what is cut ends with the picture', () => {
  const cut = clip(played, { stages: 2, seconds: 3.5 });
  const works = (of: typeof played) =>
    of.spans.filter(({ action }) => !isMessage(action)).map(({ stage, start, end }) => [stage, start, end]);
  const expected = works(played)
    .filter(([stage, start]) => stage! < 2 && start! < 3.5)
    .map(([stage, start, end]) => [stage, start, Math.min(3.5, end!)]);
  expect(works(cut)).toEqual(expected);
  expect(Math.max(...works(cut).map(([, , end]) => end!))).toBe(3.5);
  expect(cut).toMatchObject({ makespan: 3.5, busy: played.busy.slice(0, 2), bubbleFraction: played.bubbleFraction });
});

test('one that fits is the same', () => {
  expect(clip(played, { stages: 4, seconds: 1e9 })).toEqual(played);
});
