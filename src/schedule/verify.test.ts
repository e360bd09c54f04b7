// Every kind of fault is refused, and the refusal names the stage, the index and the action.
import { expect, test } from 'vitest';
import { FivefoldError } from '../errors.ts';
import { gpipe } from './gpipe.ts';
import { interleaved } from './interleaved.ts';
import { oneFOneB } from './one-f-one-b.ts';
import type { Action, Schedule } from './schedule.ts';
import { verify } from './verify.ts';
import { zeroBubbleH1 } from './zero-bubble-h1.ts';

/** 1F1B with 3 stages and 4 microbatches, one stage's list changed. */
function changed(
  stage: number,
  change: (actions: Action[]) => Action[],
  original: Schedule = oneFOneB(3, 4),
): Schedule {
  return { ...original, stages: original.stages.map((list, s) => (s === stage ? change([...list]) : list)) };
}
const without = (index: number) => (actions: Action[]) => actions.toSpliced(index, 1);
const moved = (from: number, to: number) => (actions: Action[]) =>
  actions.toSpliced(from, 1).toSpliced(to, 0, actions[from]!);

// Stage 1 does: 0 <a0  1 F0  2 a0>  3 <a1  4 F1  5 a1>  6 <g0  7 B0  8 g0>  9 <a2 ...
const faults: [string, Schedule, string][] = [
  ['a forward left out', changed(1, without(1)), 'stage 1 has no forward of microbatch 0'],
  ['a backward left out', changed(0, without(7)), 'stage 0 has no backward of microbatch 0'],
  ['a send left out', changed(1, without(2)), 'stage 1 has no send of the activation of microbatch 0 to stage 2'],
  ['a receive left out', changed(1, without(6)), 'stage 1 has no recv of the gradient of microbatch 0 from stage 2'],
  [
    'a forward twice',
    changed(1, (a) => a.toSpliced(5, 0, a[1]!)),
    'stage 1, action 5 (forward of microbatch 0) was already done: stage 1, action 1 (forward of microbatch 0); each happens once a microbatch',
  ],
  [
    'a send twice',
    changed(1, (a) => a.toSpliced(3, 0, a[2]!)),
    'stage 1, action 3 (send of the activation of microbatch 0 to stage 2) was already done: stage 1, action 2 (send of the activation of microbatch 0 to stage 2); each happens once a microbatch',
  ],
  [
    'a forward before its input',
    changed(1, moved(1, 0)),
    'stage 1, action 0 (forward of microbatch 0) comes before stage 1, action 1 (recv of the activation of microbatch 0 from stage 0), which it needs',
  ],
  [
    'a send before its forward',
    changed(0, moved(1, 0)),
    'stage 0, action 0 (send of the activation of microbatch 0 to stage 1) comes before stage 0, action 1 (forward of microbatch 0), which it needs',
  ],
  [
    'a backward before its forward',
    changed(2, moved(2, 0)),
    'stage 2, action 0 (backward of microbatch 0) comes before stage 2, action 2 (forward of microbatch 0), which it needs',
  ],
  [
    'a backward before its gradient',
    changed(1, moved(7, 6)),
    'stage 1, action 6 (backward of microbatch 0) comes before stage 1, action 7 (recv of the gradient of microbatch 0 from stage 2), which it needs',
  ],
  [
    'a gradient sent before its backward',
    changed(1, moved(8, 7)),
    'stage 1, action 7 (send of the gradient of microbatch 0 to stage 0) comes before stage 1, action 8 (backward of microbatch 0), which it needs',
  ],
  [
    'a send to the wrong stage',
    changed(0, (a) => a.with(1, { kind: 'send', what: 'activation', microbatch: 0, chunk: 0, stage: 2 })),
    'stage 0, action 1 (send of the activation of microbatch 0 to stage 2) must name stage 1',
  ],
  [
    'a receive on the first stage',
    changed(0, (a) => a.toSpliced(0, 0, { kind: 'recv', what: 'activation', microbatch: 0, chunk: 0, stage: -1 })),
    'stage 0, action 0 (recv of the activation of microbatch 0 from stage -1) has no other end: this is where the model begins',
  ],
  [
    'a send on the last stage',
    changed(2, (a) => a.toSpliced(2, 0, { kind: 'send', what: 'activation', microbatch: 0, chunk: 0, stage: 3 })),
    'stage 2, action 2 (send of the activation of microbatch 0 to stage 3) has no other end: this is where the model ends',
  ],
  [
    'an unknown microbatch',
    changed(0, (a) => a.with(0, { kind: 'forward', microbatch: 4, chunk: 0 })),
    'stage 0, action 0 (forward of microbatch 4) names a microbatch outside 0..3',
  ],
  [
    'receives in another order than the sends',
    changed(1, moved(3, 0)),
    'stage 1, action 0 (recv of the activation of microbatch 1 from stage 0) would get the message of stage 0, action 1 (send of the activation of microbatch 0 to stage 1): orders differ',
  ],
  // Stage 1 wants a gradient before it sends the activation that the gradient is computed from.
  [
    'a deadlock',
    changed(1, moved(6, 2)),
    'deadlock: stage 1, action 2 (recv of the gradient of microbatch 0 from stage 2) waits for stage 2, action 0 (recv of the activation of microbatch 0 from stage 1) waits for stage 1',
  ],
  ['no stages', { ...oneFOneB(1, 1), stages: [] }, '0 stages; use a whole number of at least 1'],
  ['no microbatches', { ...oneFOneB(1, 1), microbatches: 0 }, '0 microbatches; use a whole number of at least 1'],
  [
    'a chunk that is not there',
    changed(0, (a) => a.with(0, { kind: 'forward', microbatch: 0, chunk: 1 })),
    'stage 0, action 0 (forward of microbatch 0) names a chunk outside 0..0',
  ],
  ['a chunk left out', { ...oneFOneB(2, 1), chunks: 2 }, 'stage 0 has no forward of microbatch 0, chunk 1'],
  ['one stage in chunks', { ...oneFOneB(1, 1), chunks: 2 }, 'one stage in 2 chunks; use one chunk, or several stages'],
  [
    'a backward in forwards only',
    { ...oneFOneB(3, 4), forwardOnly: true },
    'stage 0, action 6 (recv of the gradient of microbatch 0 from stage 1) is none of a schedule of forwards only',
  ],
];

test.each(faults)('%s', (_name, schedule, problem) => {
  const refused = expect(() => verify(schedule));
  refused.toThrow(FivefoldError);
  refused.toThrow(expect.objectContaining({ code: 'SCHEDULE_INVALID', message: `schedule 1f1b: ${problem}` }));
});

// Stage 1 of ZB-H1 does: 0 <a0  1 F0  2 a0>  3 <a1  4 F1  5 a1>  6 <g0  7 B0  8 g0>  9 <a2  10 F2  11 a2>  12 <g1  13 B1  14 g1>  15 W0
const halves: [string, Schedule, string][] = [
  [
    'a weight gradient left out',
    changed(1, without(15), zeroBubbleH1(3, 4)),
    'stage 1 has no weight gradient of microbatch 0',
  ],
  [
    'an input gradient left out',
    changed(1, without(7), zeroBubbleH1(3, 4)),
    'stage 1 has no input gradient of microbatch 0',
  ],
  [
    'a weight gradient before the input gradient',
    changed(1, moved(15, 7), zeroBubbleH1(3, 4)),
    'stage 1, action 7 (weight gradient of microbatch 0) comes before stage 1, action 8 (input gradient of microbatch 0), which it needs',
  ],
  [
    'a whole backward beside its half',
    changed(1, (a) => a.with(15, { kind: 'backward', microbatch: 0, chunk: 0 }), zeroBubbleH1(3, 4)),
    'stage 1, action 15 (backward of microbatch 0) was already done: stage 1, action 7 (input gradient of microbatch 0); each happens once a microbatch',
  ],
];

test.each(halves)('%s', (_name, schedule, problem) => {
  expect(() => verify(schedule)).toThrow(`schedule zb-h1: ${problem}`);
});

test('some backwards may be whole and others in two halves', () => {
  const whole = changed(
    2,
    (actions) =>
      actions.flatMap((action) => {
        if (action.kind === 'weightGradient') return [];
        return action.kind === 'inputGradient' ? { ...action, kind: 'backward' as const } : action;
      }),
    zeroBubbleH1(3, 4),
  );
  expect(verify(whole).peakLive).toEqual([3, 3, 1]);
});

test('messages that two kinds of data share a direction for must be in order too', () => {
  // To stage 0 go activations and gradients: 0 <a0.0  1 F0.0  2 a0.0>  ...  6 <a0.1  7 F0.1  8 B0.1  9 g0.1>  10 <a1.1 ...
  const original = interleaved(2, 2, 2);
  const [first, second] = [original.stages[1]!.slice(0, 3), original.stages[1]!.slice(3, 6)];
  const exchanged = changed(1, (actions) => [...second, ...first, ...actions.slice(6)], original);
  expect(() => verify(exchanged)).toThrow(
    'schedule interleaved: stage 0, action 4 (recv of the activation of microbatch 0, chunk 1 from stage 1) would get the message of stage 1, action 2 (send of the activation of microbatch 1, chunk 0 to stage 0): orders differ',
  );
  const received = original.stages[0]!.findIndex(({ kind }) => kind === 'recv');
  const gradient = original.stages[0]!.findIndex((action) => action.kind === 'recv' && action.what === 'gradient');
  expect(() => verify(changed(0, moved(gradient, received), original))).toThrow(
    'stage 0, action 4 (recv of the gradient of microbatch 0, chunk 1 from stage 1) would get the message of stage 1, action 2 (send of the activation of microbatch 0, chunk 0 to stage 0): orders differ',
  );
});

test('what a schedule needs: live microbatches a stage, messages a channel', () => {
  expect(verify(oneFOneB(3, 4))).toEqual({
    peakLive: [3, 2, 1],
    peakLiveByChunk: [[3], [2], [1]],
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
