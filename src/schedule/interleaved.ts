// Interleaved 1F1B (Narayanan et al. 2021): every stage holds several chunks of the model, which divides 1F1B's bubble by their number.
//
//   stage 0  abcdabcd......A1.B1.C1.D1A0B0C0D0
//   stage 1  .abcdabcd...A1.B1.C1.D1A0B0C0D0..    time to the right: `b` is the forward of microbatch 1, through chunk 0, then
//   stage 2  ..abcdabc.A1dB1.C1.D1A0B0C0D0....    through chunk 1; `B1` its backward through chunk 1, twice as long; a dot
//   stage 3  ...abcdaA1bB1cC1dD1A0B0C0D0......    is idle
import { buildSchedule } from './build.ts';
import { alternate } from './one-f-one-b.ts';
import type { Schedule, Work } from './schedule.ts';
import { backward, forward, upTo } from './work.ts';

/**
 * Microbatches go through the chunks in groups of at least `stages`, so that a group's first microbatch is through the last
 * stage when its last one has left the first. Any number of microbatches is dealt evenly into as many groups as there can be:
 * a smaller last group would stall or deadlock. Stage s warms up with 2 (stages - 1 - s) + (chunks - 1) · largest group
 * forwards of chunks and alternates then, so one more is live, if there are as many.
 * Idle: (stages - 1) / chunks times a forward and a backward of all chunks, with at least `stages` microbatches.
 */
export const interleaved = (stages: number, microbatches: number, chunks: number): Schedule =>
  buildSchedule('interleaved', { stages, microbatches, chunks }, interleavedWork(stages, microbatches, chunks));

/** What each stage computes, in its order. */
export const interleavedWork = (stages: number, microbatches: number, chunks: number) => {
  const groups = groupsOf(microbatches, stages);
  const largest = Math.max(...groups.map((group) => group.length));
  const forwards = inGroups(groups, upTo(chunks), forward);
  const backwards = inGroups(groups, upTo(chunks).toReversed(), backward);
  return (stage: number): Work[] => alternate(forwards, backwards, 2 * (stages - 1 - stage) + (chunks - 1) * largest);
};

/** Every microbatch of a group through a chunk, then the next chunk; then the next group. */
export const inGroups = (
  groups: readonly (readonly number[])[],
  chunks: readonly number[],
  work: (microbatch: number, chunk: number) => Work,
): Work[] => groups.flatMap((group) => chunks.flatMap((chunk) => group.map((microbatch) => work(microbatch, chunk))));

/** The microbatches in as many groups of at least `least` as there can be, the first ones larger by one; or in one. */
export function groupsOf(microbatches: number, least: number): number[][] {
  const count = Math.max(1, Math.floor(microbatches / least));
  const larger = microbatches % count;
  const size = Math.floor(microbatches / count);
  const first = (group: number): number => group * size + Math.min(group, larger);
  return upTo(count).map((group) => upTo(first(group + 1) - first(group)).map((i) => first(group) + i));
}
