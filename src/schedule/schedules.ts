// The schedule that a layout asks for: a new one is one line here.
import { fail, option } from '../errors.ts';
import { type Layout, plannedSchedules, printLayout } from '../mesh/layout.ts';
import { dualPipe, dualPipeWork } from './dual-pipe.ts';
import { gpipe, gpipeWork } from './gpipe.ts';
import { interleaved, interleavedWork } from './interleaved.ts';
import { oneFOneB, oneFOneBWork } from './one-f-one-b.ts';
import { parseSchedule } from './parse.ts';
import type { Schedule, Work } from './schedule.ts';
import { streaming } from './streaming.ts';
import { zeroBubbleH1, zeroBubbleH1Work } from './zero-bubble-h1.ts';

/** Of a training step. @throws SCHEDULE_FILE when a file is wrong or not for this layout and number of microbatches */
export function scheduleOf(layout: Layout, microbatches: number): Schedule {
  const { pp, virtual, schedule } = layout;
  switch (schedule) {
    case 'gpipe':
      return gpipe(pp, microbatches, virtual);
    case '1f1b':
      return virtual === 1 ? oneFOneB(pp, microbatches) : interleaved(pp, microbatches, virtual);
    case 'zb-h1':
      return zeroBubbleH1(pp, microbatches);
    case 'dualpipe':
      return dualPipe(pp, microbatches);
    case 'file':
      return scheduleOfFile(layout, microbatches);
  }
}

/** What each stage of a schedule that is made by a rule computes, in its order; messages and sizes that cannot be are not looked at. */
export function workOf(
  {
    pp,
    virtual,
    schedule,
  }: Pick<Layout, 'pp' | 'virtual'> & { readonly schedule: Exclude<Layout['schedule'], 'file'> },
  microbatches: number,
): (stage: number) => readonly Work[] {
  switch (schedule) {
    case 'gpipe':
      return gpipeWork(microbatches, virtual);
    case '1f1b':
      return virtual === 1 ? oneFOneBWork(pp, microbatches) : interleavedWork(pp, microbatches, virtual);
    case 'zb-h1':
      return zeroBubbleH1Work(pp, microbatches);
    case 'dualpipe':
      return dualPipeWork(pp, microbatches);
  }
}

/** Throws LAYOUT_SCHEDULE for a layout whose schedule no rank can run. */
export function refusePlanned(layout: Layout): void {
  if (!plannedSchedules.some((name) => name === layout.schedule)) return;
  fail('LAYOUT_SCHEDULE', {
    text: printLayout(layout),
    problem: `${layout.schedule} can be planned for but not run: its ranks hold two stages`,
    fix: 'use schedule=zb-h1 or 1f1b',
  });
}

/** Of forwards only, for inference: the same whatever schedule trains. */
export const forwardScheduleOf = ({ pp, virtual }: Layout, microbatches: number): Schedule =>
  streaming(pp, microbatches, virtual);

function scheduleOfFile(layout: Layout, microbatches: number): Schedule {
  const schedule = readLayoutFile(layout)!;
  const refuse = refuseFile(layout);
  if (schedule.microbatches !== microbatches)
    refuse(
      `it is for ${schedule.microbatches} microbatches and the step has ${microbatches}`,
      `change ${option('globalBatch')} or ${option('microBatch')}, or use another file`,
    );
  if (schedule.forwardOnly) refuse('it has no backwards, which training needs', 'add them, or use another file');
  return schedule;
}

/**
 * The schedule of a layout that names a file.
 * @throws SCHEDULE_FILE when it is wrong or for other stages
 */
export function readLayoutFile(layout: Layout): Schedule | undefined {
  const { pp, virtual, scheduleFile } = layout;
  if (!scheduleFile) return undefined;
  const schedule = parseSchedule(scheduleFile.text, scheduleFile.path);
  const [stages, chunks] = [schedule.stages.length, schedule.chunks];
  if (stages !== pp || chunks !== virtual) {
    const own = `pp=${stages}${chunks > 1 || virtual > 1 ? `,virtual=${chunks}` : ''}`;
    const asked = `pp=${pp}${chunks > 1 || virtual > 1 ? `,virtual=${virtual}` : ''}`;
    refuseFile(layout)(`it is for ${own} and the layout has ${asked}`, `use ${own}, or another file`);
  }
  return schedule;
}

const refuseFile =
  ({ scheduleFile }: Layout) =>
  (problem: string, fix: string): never =>
    fail('SCHEDULE_FILE', { path: scheduleFile!.path, problem, fix });
