// Streaming, for inference: forwards only. What one stage has computed the next one takes over, and nothing stays live.
import { buildSchedule } from './build.ts';
import { groupsOf, inGroups } from './interleaved.ts';
import type { Schedule } from './schedule.ts';
import { forward, upTo } from './work.ts';

/**
 * Several chunks are interleaved as 1F1B's are, so that results come as early as they can.
 * Bubble: (stages - 1) / (microbatches · chunks + stages - 1) of the time, with at least `stages` microbatches.
 */
export const streaming = (stages: number, microbatches: number, chunks = 1): Schedule =>
  buildSchedule('streaming', { stages, microbatches, chunks }, () =>
    inGroups(groupsOf(microbatches, stages), upTo(chunks), forward),
  );
