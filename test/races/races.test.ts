// No two accesses of different ranks to shared memory meet unordered; and a transport that breaks a rule is found out.
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { createPool } from '../../src/runtime/world-pool.ts';
import { allCalls, fewCalls, fewRegisteredCalls, registeredCalls } from './calls.ts';
import {
  inGroupsOfGroups,
  inOneGroup,
  messagesInTurns,
  onRegistered,
  overHosts,
  run,
  wholeGroup,
  withOwnLimits,
} from './campaign.ts';
import { faultNames } from './faults.ts';
import { findFault } from './find-fault.ts';
import { play } from './play.ts';
import { everyTuple, tuplesIn } from './sequences.ts';

const pool = createPool();
afterAll(() => pool.close());

const parts = [
  ...[2, 3, 4].map((size) => inOneGroup(size, 2)),
  inOneGroup(3, 3, fewCalls(3)),
  ...[2, 3, 4].map((size) => onRegistered(size, 2)),
  inOneGroup(3, 3, fewRegisteredCalls()),
  ...inGroupsOfGroups(2),
  overHosts(2),
  withOwnLimits(2),
  messagesInTurns(3, 3),
];

test.each(parts.map((part) => [`${part.name}: every ${part.order === 2 ? 'pair' : 'triple'}`, part] as const))(
  'no race in %s',
  async (_, part) => {
    const { races, problems, accesses } = await run(part, pool);
    expect(races).toEqual([]);
    expect(problems).toEqual([]);
    expect(accesses).toBeGreaterThan(10 * part.tuples);
  },
);

test.each(faultNames)('found: %s', async (name) => {
  const { found, others } = await findFault(name, pool);
  expect(found, `${others} races of other kinds`).toBeDefined();
});

test('what collectives do to memory is the same whatever the timing, and so is the verdict', async () => {
  const calls = [...allCalls(3), ...registeredCalls()].filter(({ op }) => op !== 'exchange');
  const [sequence] = everyTuple(calls.length, 2);
  const what = { size: 3, families: [[wholeGroup(3)]], calls, sequence: sequence!.slice(0, 400) };
  const freely = await play(what, pool);
  const heldUp = await play({ ...what, pace: 'delayed', seed: 7 }, pool);
  const again = await play({ ...what, pace: 'delayed', seed: 8 }, pool);
  expect([freely, heldUp, again].flatMap(({ errors }) => errors)).toEqual([]);
  expect(heldUp.logs).toEqual(freely.logs);
  expect(again.logs).toEqual(freely.logs);
});

test('every access of the ends goes through the memory that is recorded', () => {
  for (const file of ['group-end', 'channel', 'collectives', 'all-to-all-v', 'in-place']) {
    const text = readFileSync(new URL(`../../src/runtime/transport/threads/${file}.ts`, import.meta.url), 'utf8');
    expect(text).not.toMatch(/Atomics|Int32Array|\.words|Buffer\b/);
  }
});

test('a de Bruijn sequence holds every ordered tuple, also in pieces', () => {
  for (const [symbols, order, pieceLength] of [
    [5, 2, 7],
    [4, 3, 10],
    [39, 2, 4000],
  ] as const) {
    const pieces = everyTuple(symbols, order, pieceLength);
    expect(tuplesIn(pieces, order)).toBe(symbols ** order);
  }
});
