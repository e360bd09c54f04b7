// The schedules by the name used in a layout: a new one is one entry here.
import type { ScheduleName } from '../mesh/layout.ts';
import { gpipe } from './gpipe.ts';
import { oneFOneB } from './one-f-one-b.ts';
import type { Schedule } from './schedule.ts';

export const schedules = {
  gpipe,
  '1f1b': oneFOneB,
} as const satisfies Record<ScheduleName, (stages: number, microbatches: number) => Schedule>;
