// Every kind of fault is refused, and the refusal names the stage, the index and the action.
import { expect, test } from 'vitest';
import { FivefoldError } from '../errors.ts';
import { gpipe } from './gpipe.ts';
import { oneFOneB } from './one-f-one-b.ts';
import type { Action, Schedule } from './schedule.ts';
import { verify } from './verify.ts';

/** 1F1B with 3 stages and 4 microbatches, one stage's list changed. */
function changed(stage: number, change: (actions: Action[]) => Action[]): Schedule {
  const original = oneFOneB(3, 4);
  return { ...original, stages: original.stages.map((list, s) => (s === stage ? change([...list]) : list)) };
}
const without = (index: number) => (actions: Action[]) => actions.toSpliced(index, 1);
const moved = (from: number, to: number) => (actions: Action[]) =>
  actions.toSpliced(from, 1).toSpliced(to, 0, actions[from]!);

// Stage 1 does: 0 <a0  1 F0  2 a0>  3 <a1  4 F1  5 a1>  6 <g0  7 B0  8 g0>  9 <a2 ...
const faults: [string, Schedule, string][] = [
  ['a forward left out', changed(1, without(1)), 'stage 1 has no forward of microbatch 0'],
  ['a backward left out', changed(0, without(7)), 'stage 0 has no backward of microbatch 0'],
  ['a send left out', changed(1, without(2)), 'stage 1 has no sendActivation of microbatch 0'],
  ['a receive left out', changed(1, without(6)), 'stage 1 has no recvGradient of microbatch 0'],
  [
    'a forward twice',
    changed(1, (a) => a.toSpliced(5, 0, a[1]!)),
    'stage 1, action 5 (forward of microbatch 0) was already done at action 1; each happens once a microbatch',
  ],
  [
    'a send twice',
    changed(1, (a) => a.toSpliced(3, 0, a[2]!)),
    'stage 1, action 3 (sendActivation of microbatch 0 to stage 2) was already done at action 2; each happens once a microbatch',
  ],
  [
    'a forward before its input',
    changed(1, moved(1, 0)),
    'stage 1, action 0 (forward of microbatch 0) comes before stage 1, action 1 (recvActivation of microbatch 0 from stage 0), which it needs',
  ],
  [
    'a send before its forward',
    changed(0, moved(1, 0)),
    'stage 0, action 0 (sendActivation of microbatch 0 to stage 1) comes before stage 0, action 1 (forward of microbatch 0), which it needs',
  ],
  [
    'a backward before its forward',
    changed(2, moved(2, 0)),
    'stage 2, action 0 (backward of microbatch 0) comes before stage 2, action 2 (forward of microbatch 0), which it needs',
  ],
  [
    'a backward before its gradient',
    changed(1, moved(7, 6)),
    'stage 1, action 6 (backward of microbatch 0) comes before stage 1, action 7 (recvGradient of microbatch 0 from stage 2), which it needs',
  ],
  [
    'a gradient sent before its backward',
    changed(1, moved(8, 7)),
    'stage 1, action 7 (sendGradient of microbatch 0 to stage 0) comes before stage 1, action 8 (backward of microbatch 0), which it needs',
  ],
  [
    'a send to the wrong stage',
    changed(0, (a) => a.with(1, { kind: 'sendActivation', microbatch: 0, stage: 2 })),
    'stage 0, action 1 (sendActivation of microbatch 0 to stage 2) must name its neighbour, stage 1',
  ],
  [
    'a receive on the first stage',
    changed(0, (a) => a.toSpliced(0, 0, { kind: 'recvActivation', microbatch: 0, stage: -1 })),
    'stage 0, action 0 (recvActivation of microbatch 0 from stage -1) has no other end: this is the first stage',
  ],
  [
    'a send on the last stage',
    changed(2, (a) => a.toSpliced(2, 0, { kind: 'sendActivation', microbatch: 0, stage: 3 })),
    'stage 2, action 2 (sendActivation of microbatch 0 to stage 3) has no other end: this is the last stage',
  ],
  [
    'an unknown microbatch',
    changed(0, (a) => a.with(0, { kind: 'forward', microbatch: 4 })),
    'stage 0, action 0 (forward of microbatch 4) names a microbatch outside 0..3',
  ],
  [
    'receives in another order than the sends',
    changed(1, moved(3, 0)),
    'stage 1, action 0 (recvActivation of microbatch 1 from stage 0) would get the message of stage 0, action 1 (sendActivation of microbatch 0 to stage 1): orders differ',
  ],
  // Stage 1 wants a gradient before it sends the activation that the gradient is computed from.
  [
    'a deadlock',
    changed(1, moved(6, 2)),
    'deadlock: stage 0, action 6 (recvGradient of microbatch 0 from stage 1) waits for stage 1, action 2 (recvGradient of microbatch 0 from stage 2) waits for stage 2, action 0 (recvActivation of microbatch 0 from stage 1) waits for stage 1',
  ],
  ['no stages', { name: '1f1b', microbatches: 1, stages: [] }, 'it has no stages'],
  [
    'no microbatches',
    { name: '1f1b', microbatches: 0, stages: [[]] },
    '0 microbatches; use a whole number of at least 1',
  ],
];

test.each(faults)('%s', (_name, schedule, problem) => {
  const refused = expect(() => verify(schedule));
  refused.toThrow(FivefoldError);
  refused.toThrow(expect.objectContaining({ code: 'SCHEDULE_INVALID', message: `schedule 1f1b: ${problem}` }));
});

test('what a schedule needs: live microbatches a stage, messages a channel', () => {
  expect(verify(oneFOneB(3, 4))).toEqual({
    peakLive: [3, 2, 1],
    peakInFlight: expect.arrayContaining([
      { from: 0, to: 1, messages: 3 },
      { from: 1, to: 2, messages: 2 },
      { from: 2, to: 1, messages: 2 },
      { from: 1, to: 0, messages: 3 },
    ]),
  });
  expect(verify(gpipe(2, 5)).peakLive).toEqual([5, 5]);
});

test('a large schedule', () => {
  const { peakLive, peakInFlight } = verify(oneFOneB(64, 512));
  expect(peakLive[0]).toBe(64);
  expect(peakInFlight).toHaveLength(126);
});
