// Seconds on a machine that was measured: its own numbers where they are known, and what lies between them.
import { expect, test } from 'vitest';
import { measuredMachine } from '../../../../test/measured-machine.ts';
import { measuredKernelSeconds, measuredPace, measuredTalkSeconds } from './measured-costs.ts';

const { kernels, talk } = measuredMachine(['add']);
const allReduce = (bytes: number, ranks = 2) =>
  measuredTalkSeconds({ call: 'allReduce', bytes, spread: [ranks] }, talk);

test('calls take what was measured, and in between as on a line', () => {
  for (const [bytes, seconds] of talk[0]!.seconds.allReduce) expect(allReduce(bytes)).toBeCloseTo(seconds, 12);
  expect(allReduce((2 ** 16 + 2 ** 20) / 2)).toBeCloseTo((2e-5 + 3e-4) / 2, 12);
});

test('the shortest take no less, the longest go on as the last two', () => {
  expect(allReduce(8)).toBe(1e-6);
  expect(allReduce(2 ** 20 + (2 ** 20 - 2 ** 16)) - 3e-4).toBeCloseTo(3e-4 - 2e-5, 12);
});

test('nobody talks to itself, and nothing is not sent', () => {
  expect([allReduce(2 ** 20, 1), allReduce(0)]).toEqual([0, 0]);
});

test('an op has its own costs; one that was not measured those of all others', () => {
  const moved = (op: string) => measuredKernelSeconds({ kind: 'memory', floats: 1000, bytes: 96, op }, kernels);
  const of = ([call, byte]: readonly number[]) => call! + byte! * (4 * 1000 + 96);
  expect(moved('add')).toBeCloseTo(of(kernels.memory.add!), 15);
  expect(moved('toString')).toBeCloseTo(of(kernels.others), 15);
});

test('ranks that meet more seldom than any that were measured lose as much as those that met most seldom', () => {
  const pace = [
    [0.001, 1.4],
    [0.1, 1.2],
  ] as const;
  const at = [0, 0.001, 0.0505, 0.1, Number.POSITIVE_INFINITY].map((secondsBetween) =>
    measuredPace({ secondsBetween, idle: 0 }, { pace, turns: 0.5 }),
  );
  for (const [i, over] of [1.4, 1.4, 1.3, 1.2, 1.2].entries()) expect(at[i]).toBeCloseTo(over, 12);
});

test('the more ranks idle, the nearer to the pace of one at work; kernels never take less than they cost', () => {
  const pace = [[1, 1.2]] as const;
  const at = (idle: number, turns: number) => measuredPace({ secondsBetween: 1, idle }, { pace, turns });
  expect(at(0.25, 0.8)).toBeCloseTo(1.2 * 0.95, 12);
  expect(at(0.5, 1.4)).toBeCloseTo(1.2 * 1.2, 12);
  expect(at(1, 0.8)).toBe(1);
});
