// How much longer ranks take that meet is found again from steps that took so long.
import { expect, test } from 'vitest';
import { measuredMachine } from '../../../test/measured-machine.ts';
import { measuredKernelSeconds } from '../../plan/cost/measured/measured-costs.ts';
import { calibrationCases } from './cases.ts';
import { paceOf } from './pace.ts';

const { kernels } = measuredMachine();
const kernel = { kind: 'matmul', batch: 1, m: 64, n: 64, k: 64 } as const;
const each = measuredKernelSeconds(kernel, kernels);
const count = 40;

/** Of two ranks, with `over(meetEvery)` times what their kernels cost; in one of the rounds something else had the machine. */
const paceWhere = (over: (meetEvery: number | undefined) => number) => {
  const cases = calibrationCases(2);
  const timed = cases.map(({ meetEvery }) => ({
    kernels: Array.from({ length: 2 * count }, () => ({ kernel, seconds: [] })),
    seconds: [1, 1, 7].map((slower) => slower * over(meetEvery) * count * each),
  }));
  return { pace: paceOf(cases, timed, kernels, 2), cases };
};

test('by the seconds between meetings, shortest first', () => {
  const { pace, cases } = paceWhere((meetEvery) => (meetEvery ? 1.1 + 1 / meetEvery : 1.1));
  const meetings = cases.flatMap(({ meetEvery }) => meetEvery ?? []);
  expect(meetings.length).toBeGreaterThan(1);
  expect(pace.length).toBe(meetings.length + 1);
  for (const [at, meetEvery] of meetings.entries()) {
    expect(pace[at]![0] / each).toBeCloseTo(meetEvery, 9);
    expect(pace[at]![1]).toBeCloseTo(1.1 + 1 / meetEvery, 9);
  }
  expect(pace.at(-1)![0] / each).toBeCloseTo(count, 9);
  expect(pace.at(-1)![1]).toBeCloseTo(1.1, 9);
});

test('never less than kernels cost', () => {
  expect(paceWhere(() => 0.9).pace.every(([, over]) => over === 1)).toBe(true);
});
