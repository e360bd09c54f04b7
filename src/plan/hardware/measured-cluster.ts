// A machine that was measured as a cluster: its devices are its cores, a rank each.
import { fail } from '../../errors.ts';
import type { Cluster } from './cluster.ts';
import type { Device } from './device.ts';
import type { Costs, MeasuredKernels, MeasuredMachine } from './measured-machine.ts';

const source = 'measured by calibrate --local';

/** So many of its cores. @throws CLUSTER_INVALID where there are fewer */
export function measuredCluster(machine: MeasuredMachine, ranks: number, name = 'local'): Cluster {
  const { cores, talk, pace, turns } = machine;
  if (ranks < 1 || ranks > cores)
    fail('CLUSTER_INVALID', {
      cluster: name,
      problem: `it has ${ranks} ranks and the machine ${cores} cores`,
      fix: `give from 1 to ${cores}`,
    });
  const messages = talk[0]?.seconds.send;
  const [shortest, longest] = [messages?.[0], messages?.at(-1)];
  return {
    name,
    device: coreOf(machine, ranks),
    devices: ranks,
    tiers: [
      {
        name: 'machine',
        link: 'shared-memory',
        devices: ranks,
        bytesPerSecond: longest ? longest[0] / longest[1] : 1e10,
        latencySeconds: shortest?.[1] ?? 1e-6,
        source,
      },
    ],
    measured: { talk, pace, turns },
  };
}

/** While so many are at work: in between one and all as on a line. */
function coreOf({ title, cores, memoryBytes, kernels, alone }: MeasuredMachine, ranks: number): Device {
  const pace = cores === 1 ? 1 : alone + ((ranks - 1) / (cores - 1)) * (1 - alone);
  const measured = scaled(kernels, pace);
  return {
    name: 'core',
    title: `a core of ${title}`,
    architecture: 'cpu',
    memoryBytes: memoryBytes / cores,
    memoryBytesPerSecond: 1 / measured.others[1]!,
    flopsPerSecond: { fp32: 2 / measured.products.product[1]! },
    multiprocessors: 1,
    cacheBytes: 2 ** 20,
    hostBytesPerSecond: 1 / measured.others[1]!,
    source,
    measured,
  };
}

function scaled({ products, memory, others }: MeasuredKernels, by: number): MeasuredKernels {
  const of = (costs: Costs): Costs => costs.map((cost) => cost * by);
  const ofAll = <T extends Readonly<Record<string, Costs>>>(all: T): T =>
    Object.fromEntries(Object.entries(all).map(([name, costs]) => [name, of(costs)])) as T;
  return { products: ofAll(products), memory: ofAll(memory), others: of(others) };
}
