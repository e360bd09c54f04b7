// All-to-alls of groups over several hosts: fewer messages between hosts with the same rows in them, and the same results.
import { afterAll, expect, test } from 'vitest';
import type { Group } from '../../src/mesh/mesh.ts';
import { membersByHost, withHostGroups } from '../../src/runtime/transport/threads/host-groups.ts';
import { createThreadsWorld } from '../../src/runtime/transport/threads/world-state.ts';
import type { TransportPlan } from '../../src/runtime/transport/transport.ts';
import { runWorld } from '../../src/runtime/world.ts';
import { createPool } from '../../src/runtime/world-pool.ts';
import type { HostsJob, HostsResult } from './hosts-rank.ts';

const pool = createPool();
afterAll(() => pool.close());

const size = 8;
const group: Group = { axis: 'ep', ranks: [0, 1, 2, 3, 4, 5, 6, 7] };

const planWith = (hosts: TransportPlan['hosts']): TransportPlan => ({
  size,
  groups: [group],
  channels: [],
  timeoutSeconds: 20,
  ...(hosts && { hosts }),
});

async function exchange(hosts: TransportPlan['hosts']): Promise<HostsResult[]> {
  const job: HostsJob = { shared: createThreadsWorld(planWith(hosts)), group };
  return (await runWorld({
    plan: { size, groups: [], channels: [], timeoutSeconds: 60 },
    rankModule: new URL('./hosts-rank.ts', import.meta.url),
    jobs: new Array<HostsJob>(size).fill(job),
    pool,
  })) as HostsResult[];
}

test.each([
  [
    [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ],
    // Of 8 ranks to 4 others; the pairs that have nothing for each other (0 and 3, 1 and 2) share a host.
    { oneStep: 32, twoSteps: 8 },
  ],
  [
    [
      [0, 4],
      [1, 5],
      [2, 6],
      [3, 7],
    ],
    // Of 8 ranks to 6 others, without those pairs; then of 8 ranks to 3 hosts.
    { oneStep: 44, twoSteps: 24 },
  ],
])('hosts %j get one message from each member of every other host', async (hosts, messages) => {
  const hostOf = (rank: number): number => hosts.findIndex((ranks) => ranks.includes(rank));
  const across = (results: readonly HostsResult[]) =>
    results.flatMap((result) => result.messages).filter(({ from, to }) => hostOf(from) !== hostOf(to));
  const rowsIn = (sent: ReturnType<typeof across>): number => sent.reduce((sum, { rows }) => sum + rows, 0);
  const oneStep = await exchange(undefined);
  const twoSteps = await exchange(hosts);
  expect(twoSteps.map(({ output }) => output)).toEqual(oneStep.map(({ output }) => output));
  expect({ oneStep: across(oneStep).length, twoSteps: across(twoSteps).length }).toEqual(messages);
  expect(rowsIn(across(twoSteps))).toBe(rowsIn(across(oneStep)));
});

test('groups go in two steps only over hosts with as many members of them each, and more than one', () => {
  const hosts = [
    [0, 1, 2],
    [3, 4, 5],
  ];
  const membersOf = (...ranks: number[]) => membersByHost({ axis: 'ep', ranks }, hosts);
  expect(membersOf(0, 1, 2)).toBeUndefined();
  expect(membersOf(0, 3)).toBeUndefined();
  expect(membersOf(0, 1, 3)).toBeUndefined();
  expect(membersOf(4, 0, 5, 1)).toEqual([
    [0, 2],
    [1, 3],
  ]);
  expect(() => membersOf(0, 6)).toThrow("rank 6 is on none of the plan's hosts");
});

test('a plan has the groups of its hosts once, also if it is asked for them again', () => {
  const hosts = [
    [0, 1, 2, 3],
    [4, 5, 6, 7],
  ];
  const within: Group = { axis: 'ep', ranks: [0, 1, 2, 3] };
  const plan = withHostGroups({ ...planWith(hosts), groups: [within, group] });
  expect(plan.groups.map(({ ranks }) => ranks.join())).toEqual([
    '0,1,2,3',
    '0,1,2,3,4,5,6,7',
    '4,5,6,7',
    '0,4',
    '1,5',
    '2,6',
    '3,7',
  ]);
  expect(withHostGroups(plan)).toBe(plan);
});
