// Random schedules of every kind, and what work takes in the papers' pictures.
import fc from 'fast-check';
import { gpipe } from '../src/schedule/gpipe.ts';
import { interleaved } from '../src/schedule/interleaved.ts';
import { oneFOneB } from '../src/schedule/one-f-one-b.ts';
import type { Timing } from '../src/schedule/play.ts';
import type { Schedule } from '../src/schedule/schedule.ts';
import { streaming } from '../src/schedule/streaming.ts';
import { zeroBubbleH1 } from '../src/schedule/zero-bubble-h1.ts';

type Generator = (stages: number, microbatches: number, chunks: number) => Schedule;

const generators: readonly Generator[] = [gpipe, oneFOneB, interleaved, zeroBubbleH1, streaming];

export const anySchedule = (most: { stages: number; microbatches: number; chunks: number }): fc.Arbitrary<Schedule> =>
  fc
    .record({
      generate: fc.constantFrom(...generators),
      stages: fc.integer({ min: 1, max: most.stages }),
      microbatches: fc.integer({ min: 1, max: most.microbatches }),
      chunks: fc.integer({ min: 1, max: most.chunks }),
    })
    .map(({ generate, stages, microbatches, chunks }) => generate(stages, microbatches, stages > 1 ? chunks : 1));

/** Seconds of a microbatch through one stage; with several chunks each takes its part. */
export const timing = (f: number, b: number, w: number, chunks = 1): Timing => {
  const seconds = { forward: f, backward: b + w, inputGradient: b, weightGradient: w };
  return { workSeconds: (_, { kind }) => seconds[kind] / chunks };
};
