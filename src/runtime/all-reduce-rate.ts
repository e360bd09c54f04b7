// What talking costs on this machine: the time of an all-reduce as a share a call and a share a byte.
import { worldGroup } from '../mesh/mesh.ts';
import { trafficBytes } from '../mesh/traffic.ts';
import type { Transport } from './transport/transport.ts';
import { runWorld } from './world.ts';
import type { WorldPool } from './world-pool.ts';

export interface TalkCost {
  readonly secondsPerCall: number;
  /** A byte as counters count them: see mesh/traffic.ts. */
  readonly secondsPerByte: number;
}

export interface TalkCostOptions {
  /** At least 2. */
  readonly ranks: number;
  readonly pool?: WorldPool;
  readonly signal?: AbortSignal;
}

const [small, large] = [16, 1 << 18];
/** The fastest counts: what else runs on the machine only ever slows one down. */
const calls = 25;

/** Measured with all-reduces of 64 bytes and of 1 MiB among all ranks. Throws what runWorld throws. */
export async function measureTalkCost({ ranks, pool, signal }: TalkCostOptions): Promise<TalkCost> {
  const times = (await runWorld({
    plan: { size: ranks, groups: [worldGroup(ranks)], channels: [], timeoutSeconds: 60 },
    rankModule: new URL(import.meta.url),
    jobs: Array.from({ length: ranks }, () => null),
    ...(pool && { pool }),
    ...(signal && { signal }),
  })) as [number, number][];
  const [few, many] = [0, 1].map((size) => Math.max(...times.map((each) => each[size]!))) as [number, number];
  return { secondsPerCall: few, secondsPerByte: Math.max(0, many - few) / trafficBytes('allReduce', 4 * large, ranks) };
}

/** The rank module: seconds of a small and of a large all-reduce. */
export async function rank(transport: Transport): Promise<readonly [number, number]> {
  const group = worldGroup(transport.size);
  const time = (length: number): number => {
    const data = new Float32Array(length);
    let fastest = Number.POSITIVE_INFINITY;
    for (let call = 0; call < calls; call++) {
      const start = performance.now();
      transport.allReduce(group, data, 'sum', 'all-reduce rate');
      fastest = Math.min(fastest, (performance.now() - start) / 1000);
    }
    return fastest;
  };
  return [time(small), time(large)];
}
