// The suite that every transport passes: named checks over a function that runs a conformance program on a world of ranks.
import assert from 'node:assert/strict';
import { type ErrorCode, FivefoldError } from '../../src/errors.ts';
import type { Group } from '../../src/mesh/mesh.ts';
import { trafficBytes } from '../../src/mesh/traffic.ts';
import type { TransportPlan } from '../../src/runtime/transport/transport.ts';
import type { Case } from './conformance-cases.ts';
import type { CaseResult } from './conformance-rank.ts';
import { addRowChecks, largeRowsCases, rowsCases } from './conformance-rows.ts';
import type { VectorType } from './conformance-vectors.ts';

/** Runs `rank` of conformance-rank.ts on every rank with the job { program, args }; returns what the ranks returned. */
export type RunConformance = (plan: TransportPlan, program: string, args: unknown) => Promise<readonly unknown[]>;

export interface Check {
  readonly name: string;
  /** Rejects if the transport does not conform. */
  readonly check: () => Promise<void>;
}

const range = (size: number, first = 0, step = 1): number[] => Array.from({ length: size }, (_, i) => first + i * step);
const worldOf = (size: number): Group => ({ axis: 'world', ranks: range(size) });
const tp = (...ranks: number[]): Group => ({ axis: 'tp', ranks });
const dp = (...ranks: number[]): Group => ({ axis: 'dp', ranks });

type Channels = TransportPlan['channels'];
const planOf = (
  size: number,
  groups: readonly Group[],
  channels: Channels = [],
  timeoutSeconds = 20,
): TransportPlan => ({
  size,
  groups,
  channels,
  timeoutSeconds,
});

const types: readonly VectorType[] = ['f32', 'f64', 'i32'];

function collectiveCases(): Case[] {
  const cases: Case[] = [];
  types.forEach((type, t) => {
    for (const length of [0, 1, 3, 17, 1000, 1025])
      for (const reduce of ['sum', 'max'] as const) cases.push({ op: 'allReduce', type, reduce, length });
    for (const [outer, inner] of [
      [1, 5],
      [3, 1],
      [7, 3],
      [2, 16],
      [64, 33],
      [0, 4],
      [4, 0],
    ] as const)
      cases.push({ op: 'allGather', type, outer, inner }, { op: 'reduceScatter', type, outer, inner });
    for (const inner of [0, 3, 40]) cases.push({ op: 'allGather', type, outer: 1, inner, still: true });
    for (const inner of [0, 3, 40]) {
      const inside = { type, outer: 1, inner, inside: true } as const;
      cases.push({ op: 'allGather', ...inside }, { op: 'reduceScatter', ...inside });
    }
    for (const block of [0, 1, 5, 300]) cases.push({ op: 'allToAll', type, block });
    for (const one of rowsCases) cases.push({ type, ...one });
    for (const shift of [1, -1, 2, 0]) cases.push({ op: 'ringShift', type, length: 41 + shift, shift });
    for (const root of [0, 1, 2]) cases.push({ op: 'broadcast', type, length: 100 * t + root, root });
  });
  return cases;
}

/** Vectors beyond any chunk a transport may move at once. */
const largeCases: readonly Case[] = [
  ...types.map((type): Case => ({ op: 'allReduce', type, reduce: 'sum', length: 70_003 })),
  { op: 'allReduce', type: 'f32', reduce: 'max', length: 65_536 },
  { op: 'allGather', type: 'f32', outer: 1, inner: 40_001 },
  { op: 'allGather', type: 'f64', outer: 500, inner: 37 },
  { op: 'allGather', type: 'f32', outer: 3, inner: 20_007 },
  { op: 'reduceScatter', type: 'f32', outer: 1, inner: 40_001 },
  { op: 'reduceScatter', type: 'f64', outer: 500, inner: 37 },
  { op: 'reduceScatter', type: 'f32', outer: 3, inner: 20_007 },
  { op: 'allGather', type: 'f32', outer: 1, inner: 40_001, inside: true },
  { op: 'reduceScatter', type: 'f32', outer: 1, inner: 40_001, inside: true },
  { op: 'allGather', type: 'f32', outer: 3, inner: 20_007, still: true },
  { op: 'allToAll', type: 'f32', block: 20_001 },
  ...largeRowsCases,
  { op: 'ringShift', type: 'f64', length: 20_001, shift: 1 },
  { op: 'broadcast', type: 'i32', length: 40_001, root: 1 },
];

/** The digests that all members of a group must share. */
function assertSameBits(results: readonly CaseResult[], groups: readonly Group[], cases: readonly Case[]): void {
  cases.forEach(({ op }, c) => {
    if (op !== 'allReduce' && op !== 'allGather' && op !== 'broadcast') return;
    groups.forEach(({ ranks }, g) => {
      const digests = ranks.map((rank) => results[rank]!.digests[`${c}/${g}`]);
      assert.equal(new Set(digests).size, 1, `${op} of case ${c}: ranks ${ranks.join(',')} differ in their bits`);
    });
  });
}

async function assertError(run: Promise<unknown>, code: ErrorCode, ...parts: readonly RegExp[]): Promise<void> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof FivefoldError, `expected ${code}, got ${error}`);
  assert.equal(error.code, code, error.message);
  for (const part of parts) assert.match(error.message, part);
}

export function transportConformance(run: RunConformance): Check[] {
  const checks: Check[] = [];
  const add = (name: string, check: () => Promise<void>): void => void checks.push({ name, check });

  const runCases = async (size: number, groups: readonly Group[], cases: readonly Case[]): Promise<void> => {
    const once = async (): Promise<CaseResult[]> =>
      (await run(planOf(size, groups), 'cases', { groups, cases })) as CaseResult[];
    const first = await once();
    assert.deepEqual(
      first.flatMap(({ errors }) => errors),
      [],
    );
    assertSameBits(first, groups, cases);
    assert.deepEqual(await once(), first, 'a second run gives other bits');
  };

  for (const size of range(8, 1)) {
    add(`every collective equals its reference on ${size} ranks`, () =>
      runCases(size, [worldOf(size)], collectiveCases()),
    );
  }
  for (const size of [2, 3, 5])
    add(`vectors beyond a chunk on ${size} ranks`, () => runCases(size, [worldOf(size)], largeCases));
  add('two disjoint groups and two strided ones in a world of 4', () =>
    runCases(4, [tp(0, 1), tp(2, 3), dp(0, 2), dp(1, 3)], [...collectiveCases(), ...largeCases.slice(0, 6)]),
  );
  add('groups in an order of their own, a group of one, and ranks in no group', () =>
    runCases(6, [tp(5, 0, 3), tp(2), dp(4, 3)], collectiveCases()),
  );
  for (const [size, calls] of [
    [1, 200],
    [2, 3000],
    [5, 300],
  ] as const)
    add(`${calls} rounds of short calls on ${size} ranks`, async () => {
      const group = worldOf(size);
      assert.deepEqual(await run(planOf(size, [group]), 'many', { group, calls }), range(size, 0, 0));
    });
  for (const size of [2, 3, 8])
    add(`messages keep their order round a ring of ${size}`, async () => {
      const lengths = [3, 0, 17, 1, 1000, 5];
      const channels = range(size).map((from) => ({ from, to: (from + 1) % size, capacityBytes: 8192, messages: 6 }));
      const results = await run(planOf(size, [], channels), 'train', { lengths, rounds: 40 });
      assert.deepEqual(results, range(size, 0, 0));
    });
  addChannelChecks(run, add);
  addErrorChecks(run, add);
  addRowChecks((args) => run(planOf(4, [args.group]), 'disagreeOnRows', args), add);
  add('counters hold calls and ring-equivalent bytes', async () => {
    const channels = [{ from: 0, to: 1, capacityBytes: 64, messages: 1 }];
    const results = await run(planOf(2, [tp(0, 1)], channels), 'counted', {});
    const collectives = {
      allReduce: { calls: 2, bytes: 2 * trafficBytes('allReduce', 40, 2) },
      allGather: { calls: 1, bytes: trafficBytes('allGather', 24, 2) },
      reduceScatter: { calls: 1, bytes: trafficBytes('reduceScatter', 48, 2) },
      allToAll: { calls: 1, bytes: trafficBytes('allToAll', 32, 2) },
      ringShift: { calls: 1, bytes: 20 },
      broadcast: { calls: 1, bytes: 16 },
    };
    // Of the rows for the other one: 3 of 2 floats, and 1.
    const with0 = { ...collectives, allToAllV: { calls: 1, bytes: 24 } };
    const with1 = { ...collectives, allToAllV: { calls: 1, bytes: 8 } };
    assert.deepEqual(results, [{ tp: with0, pp: { send: { calls: 1, bytes: 12 } } }, { tp: with1 }]);
  });
  return checks;
}

type Add = (name: string, check: () => Promise<void>) => void;

function addChannelChecks(run: RunConformance, add: Add): void {
  const channels = (capacityBytes: number, messages = 10): Channels => [
    { from: 0, to: 1, capacityBytes, messages },
    { from: 0, to: 2, capacityBytes: 64, messages: 1 },
    { from: 2, to: 1, capacityBytes: 64, messages: 1 },
  ];
  add('a channel buffers as many messages as its capacity holds', async () => {
    const results = await run(planOf(3, [], channels(4000)), 'buffered', { messages: 10, length: 100 });
    assert.deepEqual(results, [[], range(10, 0, 100), []]);
  });
  add('odd messages fill the capacity to the last byte', async () => {
    const results = await run(planOf(3, [], channels(12 * 7)), 'buffered', { messages: 7, length: 3 });
    assert.deepEqual(results, [[], range(7, 0, 3), []]);
  });
  add('a sender blocks when the channel is full', () =>
    assertError(
      run(planOf(3, [], channels(4000, 20), 0.4), 'buffered', { messages: 11, length: 100 }),
      'COLLECTIVE_TIMEOUT',
      /waited 0\.4 s in (send|recv)/,
    ),
  );
  add('hundreds of messages are under way where there is room for them', async () => {
    const results = await run(planOf(3, [], channels(4 * 600, 600)), 'buffered', { messages: 600, length: 1 });
    assert.deepEqual(results, [[], range(600, 0, 1), []]);
  });
  add('a sender blocks when as many messages are under way as the channel has room for', () =>
    assertError(
      run(planOf(3, [], channels(4000, 9), 0.4), 'buffered', { messages: 10, length: 1 }),
      'COLLECTIVE_TIMEOUT',
      /waited 0\.4 s in (send|recv)/,
    ),
  );
  add('a message larger than the capacity streams through', async () => {
    const both = [
      { from: 0, to: 1, capacityBytes: 4096, messages: 2 },
      { from: 1, to: 2, capacityBytes: 1000, messages: 1 },
      { from: 2, to: 0, capacityBytes: 1_000_000, messages: 3 },
    ];
    assert.deepEqual(await run(planOf(3, [], both), 'train', { lengths: [50], rounds: 30 }), [0, 0, 0]);
    const one = channels(500);
    const results = await run(
      planOf(3, [], [...one.slice(1), { from: 0, to: 1, capacityBytes: 90_000, messages: 2 }]),
      'buffered',
      {
        messages: 2,
        length: 11_000,
      },
    );
    assert.deepEqual(results, [[], [0, 11_000], []]);
  });
}

function addErrorChecks(run: RunConformance, add: Add): void {
  const disagree = (calls: readonly [string, string], ...parts: readonly RegExp[]): Promise<void> =>
    assertError(
      run(planOf(2, [tp(0, 1)], [{ from: 0, to: 1, capacityBytes: 1024, messages: 4 }], 5), 'disagree', { calls }),
      'COLLECTIVE_MISMATCH',
      ...parts,
    );
  const pairs: readonly (readonly [string, readonly [string, string], readonly RegExp[]])[] = [
    ['op', ['sum8', 'barrier'], [/allReduce\(sum\) f32\[8\] at "the site"/, /barrier at "the site"/, /axis tp/]],
    ['reduction', ['sum8', 'max8'], [/allReduce\(sum\)/, /allReduce\(max\)/]],
    ['length', ['sum8', 'sum4'], [/f32\[8\]/, /f32\[4\]/, /rank 0/, /rank 1/]],
    ['type', ['sum8', 'double8'], [/f32\[8\]/, /f64\[8\]/]],
    ['site', ['sum8', 'elsewhere'], [/"the site"/, /"another site"/]],
    ['cut', ['gather1x4', 'gather2x2'], [/cut 1x4/, /cut 2x2/]],
    ['width of rows', ['rows2', 'rows4'], [/in rows of 2/, /in rows of 4/]],
    ['root', ['root0', 'root1'], [/from member 0/, /from member 1/]],
    ['message length', ['send8', 'recv4'], [/send f32\[8\] tag 7 at "sending"/, /recv f32\[4\] tag 7 at "receiving"/]],
    [
      'message tag',
      ['send8', 'recvOther8'],
      [/send f32\[8\] tag 7 at "sending"/, /recv f32\[8\] tag 8 at "receiving"/],
    ],
    ['message type', ['send8', 'recvDouble8'], [/send f32\[8\]/, /recv f64\[8\]/]],
  ];
  for (const [what, calls, parts] of pairs)
    add(`ranks that disagree on the ${what} are named`, () => disagree(calls, ...parts));
  for (const [what, later] of [
    ['which still shards they gather', 'another'],
    ['how often they gather still shards', 'none'],
  ] as const)
    add(`ranks that disagree on ${what} are found when they meet next`, () =>
      assertError(
        run(planOf(2, [tp(0, 1)], [], 5), 'disagreeStill', { later }),
        'COLLECTIVE_MISMATCH',
        /rank 0/,
        /rank 1/,
        /axis tp/,
      ),
    );
  const message = [{ from: 0, to: 1, capacityBytes: 64, messages: 1 }];
  add('ranks that wait for each other time out, and name who is missing and what it does', () =>
    assertError(
      run(planOf(3, [worldOf(3)], message, 0.4), 'circle', { group: worldOf(3) }),
      'COLLECTIVE_TIMEOUT',
      /waited 0\.4 s in (allReduce\(sum\) on world at gradient sum for rank 1|recv on pp at the message for rank 0);/,
      /rank 1 is in recv with rank 0 at "the message"|rank 0 is in allReduce\(sum\) on world/,
    ),
  );
  add('a wait may be longer than the time-out while who is waited for moves, also by way of others', async () => {
    const plan = planOf(3, [worldOf(3)], message, 0.4);
    const waited = await run(plan, 'late', { group: worldOf(3), seconds: 1.6 });
    if (!waited.every((longEnough) => longEnough === true)) throw new Error('the ranks did not wait');
  });
}
