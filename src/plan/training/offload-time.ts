// What offload takes of a step, in seconds: what is on its way between device and host longer than anything hides it, and an optimizer on the host.
import type { Cluster } from '../hardware/cluster.ts';
import type { CountedTalk, StateBytes, WorkKind } from '../summary/summary.ts';
import type { TrainingCosts } from './costs.ts';
import type { Moved } from './offload-memory.ts';
import { allSeconds, type RunSeconds } from './run-seconds.ts';
import { type TrainingScenario, widthsOf } from './scenario.ts';

/** Of the link's rate after encoding, a large copy from pinned memory: 55 of 63 GB/s over PCIe 5, 26 of 31.5 over PCIe 4 (NVIDIA's nvbandwidth). */
const copyShare = 0.85;
/**
 * Parameters that AdamW on a host goes through in a second: 10^10 in 2.57 s on two Xeons of 24 cores (Ren et al. 2021, "ZeRO-Offload", table 4). Hosts of
 * today with more than twice the memory rate are no faster at it in measured steps.
 */
const hostParametersPerSecond = 1e10 / 2.57;

/** Bytes a second that one device has of its host's memory while all of them want it. */
const hostShare = ({ host }: Cluster): number =>
  host ? host.memoryBytesPerSecond / host.devices : Number.POSITIVE_INFINITY;

/** One way; the other way has as much at the same time. */
export const copyRate = (cluster: Cluster): number =>
  Math.min(copyShare * cluster.device.hostBytesPerSecond, hostShare(cluster));

/** Of what is said in a run, seconds that a device's link to its host is taken up by it. */
export const hostLinkSeconds = (
  talk: readonly CountedTalk[],
  costs: Pick<TrainingCosts, 'talk' | 'overHost'>,
): number => talk.reduce((sum, each) => sum + (costs.overHost(each.axis) ? each.count * costs.talk(each) : 0), 0);

/**
 * A work that moves what a chunk keeps of a microbatch: a forward out, a backward in again. Both beside its kernels, while nothing else is on the link to the
 * host: `taken`, seconds.
 */
export function besideCopies(
  run: RunSeconds,
  kind: WorkKind,
  { bytes }: Moved,
  cluster: Cluster,
  taken: number,
): RunSeconds {
  if (bytes === 0 || kind === 'weightGradient') return run;
  return { ...run, offload: Math.max(0, taken + bytes / copyRate(cluster) - allSeconds(run)) };
}

/** Of an optimizer on the host, where gradients come beside the last backward, which takes `window` seconds, and parameters go back piece by piece. */
export function hostOptimizerSeconds(
  { optimizer }: Pick<StateBytes, 'optimizer'>,
  { cluster, formats }: Pick<TrainingScenario, 'cluster' | 'formats'>,
  window: number,
): number {
  const { moments, master, gradients, parameters } = widthsOf(formats);
  const own = optimizer / (2 * moments + master);
  const rate = copyRate(cluster);
  const worked = (own * (cluster.host?.devices ?? 1)) / hostParametersPerSecond;
  return Math.max(0, (own * gradients) / rate - window) + Math.max(worked, (own * parameters) / rate);
}
