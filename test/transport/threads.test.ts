// The threads transport passes the conformance suite: with vectors of each rank's own, and with vectors in registered memory.
import { afterAll, describe, test } from 'vitest';
import type { TransportPlan } from '../../src/runtime/transport/transport.ts';
import { runWorld } from '../../src/runtime/world.ts';
import { createPool } from '../../src/runtime/world-pool.ts';
import { transportConformance } from './conformance.ts';
import type { ConformanceJob } from './conformance-rank.ts';

const pool = createPool();
afterAll(() => pool.close());

const rankModule = new URL('./conformance-rank.ts', import.meta.url);

type HostsOf = (size: number) => NonNullable<TransportPlan['hosts']>;

const checksWith = (registered: ConformanceJob['registered'], limits?: TransportPlan['limits'], hostsOf?: HostsOf) =>
  transportConformance((plan, program, args) =>
    runWorld({
      plan: { ...plan, ...(limits && { limits }), ...(hostsOf && { hosts: hostsOf(plan.size) }) },
      rankModule,
      jobs: Array.from({ length: plan.size }, (): ConformanceJob => ({ program, args, registered })),
      pool,
    }),
  );

/** Whatever is more than nothing is read in place. */
const always = { inPlaceBytes: 1, inPlaceReduceBytes: 1 };

describe('threads', () => {
  for (const { name, check } of checksWith('none')) test(name, check);
});
describe('threads, with registered vectors', () => {
  for (const { name, check } of checksWith('all', always)) test(name, check);
});
/** Few bytes take the paths of large vectors, some of them in place. */
const small = {
  smallReduceBytes: 256,
  inPlaceBytes: 512,
  inPlaceReduceBytes: 512,
  chunkBytes: 1024,
  loopElements: 4,
};

describe('threads, on both sides of every threshold', () => {
  const some = checksWith('even', small).filter(({ name }) => /^(every|vectors).* (2|3|8) ranks$/.test(name));
  for (const { name, check } of some) test(name, check);
});
describe("threads, with some ranks' vectors registered", () => {
  const some = checksWith('even', always).filter(({ name }) => /(2|3|world of 4)$|(2|3) ranks$/.test(name));
  for (const { name, check } of some) test(name, check);
});

/** Ranks of which `hostOf` gives the same number share a host. */
const hostsBy =
  (hostOf: (rank: number) => number): HostsOf =>
  (size) => {
    const hosts: number[][] = [];
    for (let rank = 0; rank < size; rank++) {
      hosts[hostOf(rank)] ??= [];
      hosts[hostOf(rank)]!.push(rank);
    }
    return hosts;
  };

describe.each([
  ['two ranks each', hostsBy((rank) => rank >> 1)],
  ['every other rank', hostsBy((rank) => rank % 2)],
] as const)('threads, over hosts of %s', (_, hostsOf) => {
  const some = checksWith('even', small, hostsOf).filter(({ name }) =>
    /(4|6|8) ranks$|world of 4$|in no group|in the call where|on the op/.test(name),
  );
  for (const { name, check } of some) test(name, check);
});
