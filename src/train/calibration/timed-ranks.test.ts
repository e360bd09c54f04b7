// What calibration measures: every kernel of a step is timed, and every call between ranks. How long they take is not judged.
import { expect, test } from 'vitest';
import { worldGroup } from '../../mesh/mesh.ts';
import { countedOps } from '../../mesh/traffic.ts';
import type { TimedKernel } from '../../plan/cost/measured/fit-measured.ts';
import type { MeasuredTalk } from '../../plan/hardware/measured-machine.ts';
import { flopsOf } from '../../plan/predict-step.ts';
import { kernelFlops } from '../../program/kernel-of.ts';
import { runWorld } from '../../runtime/world.ts';
import { talkOf } from '../../step/talk.ts';
import { buildTrainingStep } from '../../step/training-step.ts';
import { calibrationCases } from './cases.ts';

test('two ranks that take a step each: all of its FLOPs, at the same places', async () => {
  const { settings } = calibrationCases(2)[0]!;
  const results = (await runWorld({
    plan: { ...talkOf(settings), size: 2, groups: [worldGroup(2)], timeoutSeconds: 60 },
    rankModule: new URL('./timed-step-rank.ts', import.meta.url),
    jobs: [0, 1].map(() => ({ settings, seconds: 0 })),
  })) as TimedKernel[][];
  const [first, second] = results as [TimedKernel[], TimedKernel[]];
  expect(second.map(({ kernel }) => kernel)).toEqual(first.map(({ kernel }) => kernel));
  expect(second.map(({ seconds }) => seconds.length)).toEqual(first.map(({ seconds }) => seconds.length));
  expect(first.every(({ seconds }) => seconds.every((each) => each >= 0))).toBe(true);
  const step = buildTrainingStep(settings, 0);
  const planned = step.instructions.reduce((sum, each) => sum + flopsOf(each, step), 0);
  const steps = first.find(({ kernel }) => kernel.kind === 'memory' && kernel.op === 'zero')!.seconds.length;
  expect(first.reduce((sum, { kernel, seconds }) => sum + kernelFlops(kernel) * seconds.length, 0)).toBe(
    steps * planned,
  );
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
