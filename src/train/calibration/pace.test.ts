// How much longer ranks take that meet is found again from steps that took so long.
import { expect, test } from 'vitest';
import { measuredMachine } from '../../../test/measured-machine.ts';
import { measuredKernelSeconds } from '../../plan/cost/measured/measured-costs.ts';
import { type CalibrationCase, calibrationCases } from './cases.ts';
import { paceOf, turnsOf } from './pace.ts';

const { kernels } = measuredMachine();
const kernel = { kind: 'matmul', batch: 1, m: 64, n: 64, k: 64 } as const;
const cost = measuredKernelSeconds(kernel, kernels);
const count = 40;

const cases = calibrationCases(2);

/** Of two ranks, with `over(case)` times what their kernels cost; in one of the rounds something else had the machine. */
const timedAt = (over: (each: CalibrationCase) => number) =>
  cases.map((each) => ({
    kernels: Array.from({ length: 2 * count }, () => ({ kernel, seconds: [] })),
    seconds: [1, 1, 7].map((slower) => slower * over(each) * count * cost),
  }));
const paceWhere = (over: (meetEvery: number | undefined) => number) =>
  paceOf(
    cases,
    timedAt(({ meetEvery }) => over(meetEvery)),
    kernels,
    2,
  );

test('by the seconds between meetings', () => {
  const pace = paceWhere((meetEvery) => (meetEvery ? 1.1 + 1 / meetEvery : 1.1));
  const meetings = cases.flatMap(({ meetEvery, inTurns }) => (inTurns ? [] : (meetEvery ?? [])));
  expect(meetings.length).toBeGreaterThan(1);
  expect(pace.length).toBe(meetings.length + 1);
  for (const [at, meetEvery] of meetings.entries()) {
    expect(pace[at]![0] / cost).toBeCloseTo(meetEvery, 9);
    expect(pace[at]![1]).toBeCloseTo(1.1 + 1 / meetEvery, 9);
  }
  expect(pace.at(-1)![0] / cost).toBeCloseTo(count, 9);
  expect(pace.at(-1)![1]).toBeCloseTo(1.1, 9);
});

test('never less than kernels cost', () => {
  expect(paceWhere(() => 0.9).every(([, over]) => over === 1)).toBe(true);
});

test('work in turns, over work side by side', () => {
  expect(
    turnsOf(
      cases,
      timedAt(({ inTurns }) => (inTurns ? 2 * 0.9 : 1.2)),
      2,
    ),
  ).toBeCloseTo(0.75, 12);
});
