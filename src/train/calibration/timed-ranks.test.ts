// What calibration measures: every kernel of a step is timed, steps whose ranks meet, and every call between ranks. How long they take is not judged.
import { expect, test } from 'vitest';
import { worldGroup } from '../../mesh/mesh.ts';
import { countedOps } from '../../mesh/traffic.ts';
import type { MeasuredTalk } from '../../plan/hardware/measured-machine.ts';
import { flopsOf } from '../../plan/predict-step.ts';
import { kernelFlops } from '../../program/kernel-of.ts';
import { runWorld } from '../../runtime/world.ts';
import { talkOf } from '../../step/talk.ts';
import { buildTrainingStep } from '../../step/training-step.ts';
import { calibrationCases } from './cases.ts';
import type { TimedStep, TimedStepsJob } from './timed-steps-rank.ts';

const timed = async (step: TimedStepsJob['steps'][number]): Promise<TimedStep[]> =>
  (
    (await runWorld({
      plan: { ...talkOf(step.settings), size: 2, groups: [worldGroup(2)], timeoutSeconds: 60 },
      rankModule: new URL('./timed-steps-rank.ts', import.meta.url),
      jobs: [0, 1].map(() => ({ steps: [step], seconds: 0 })),
    })) as TimedStep[][]
  ).map(([own]) => own!);

test('two ranks that take a step each: all of its FLOPs, at the same places', async () => {
  const { settings } = calibrationCases(2)[0]!;
  const [first, second] = (await timed({ settings })) as [TimedStep, TimedStep];
  const rounds = first.seconds.length;
  expect(second.kernels.map(({ kernel }) => kernel)).toEqual(first.kernels.map(({ kernel }) => kernel));
  for (const { seconds } of [...first.kernels, ...second.kernels]) {
    expect(seconds.length).toBe(rounds);
    expect(Math.min(...seconds)).toBeGreaterThanOrEqual(0);
  }
  const step = buildTrainingStep(settings, 0);
  const planned = step.instructions.reduce((sum, each) => sum + flopsOf(each, step), 0);
  expect(first.kernels.reduce((sum, { kernel }) => sum + kernelFlops(kernel), 0)).toBe(planned);
});

test('ranks that meet wait for the one that takes longer, every time', async () => {
  const { settings } = calibrationCases(2)[0]!;
  const meetEvery = 4;
  const [first, second] = (await timed({ settings, meetEvery })) as [TimedStep, TimedStep];
  for (const [round, whole] of first.seconds.entries()) {
    let [least, own, other] = [0, 0, 0];
    for (const [at, { seconds }] of first.kernels.entries()) {
      own += seconds[round]!;
      other += second.kernels[at]!.seconds[round]!;
      if ((at + 1) % meetEvery !== 0) continue;
      least += Math.max(own, other);
      [own, other] = [0, 0];
    }
    // The one that was the first to go on from where they met before.
    expect(Math.max(whole, second.seconds[round]!)).toBeGreaterThan(least);
  }
});

test('ranks that take turns take as long as all of them together', async () => {
  const { settings } = calibrationCases(2)[0]!;
  const [first, second] = (await timed({ settings, meetEvery: 50, inTurns: true })) as [TimedStep, TimedStep];
  for (const [round, whole] of first.seconds.entries()) {
    const both = [...first.kernels, ...second.kernels].reduce((sum, { seconds }) => sum + seconds[round]!, 0);
    expect(Math.max(whole, second.seconds[round]!)).toBeGreaterThan(both);
  }
});

test('every collective between two ranks', async () => {
  const lengths = [64, 2 ** 16];
  const between = { from: 0, to: 1, capacityBytes: 2 ** 16, messages: 4 };
  const results = (await runWorld({
    plan: { size: 2, groups: [worldGroup(2)], channels: [between], timeoutSeconds: 60 },
    rankModule: new URL('./timed-talk-rank.ts', import.meta.url),
    jobs: [0, 1].map(() => ({ lengths, calls: 4 })),
  })) as MeasuredTalk['seconds'][];
  for (const seconds of results) {
    expect(Object.keys(seconds).sort()).toEqual([...countedOps].sort());
    for (const op of countedOps) expect(seconds[op].map(([bytes]) => bytes)).toEqual(lengths);
  }
});
