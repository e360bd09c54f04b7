// What the planner asks a cost model: seconds of a kernel on a device, and of a collective over a group of a cluster.
import type { CollectiveOp } from '../../mesh/traffic.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { Cluster } from '../hardware/cluster.ts';
import type { Device } from '../hardware/device.ts';
import type { NumberFormat } from '../hardware/number-format.ts';

/** Formats by role: of what products are taken, and of activations in memory. */
export interface KernelFormats {
  readonly products: NumberFormat;
  readonly activations: NumberFormat;
  /** Of keys and values, and of attention's products; undefined: of activations. */
  readonly attention?: NumberFormat;
  /** Of weights in memory, where they are narrower than products; undefined: of products. */
  readonly weights?: NumberFormat;
}

/** Seconds of one kernel, launched among others. */
export type KernelSeconds = (kernel: KernelShape, device: Device, formats: KernelFormats) => number;

/** A collective of a group, of which every rank of the cluster's group does the same at the same time. */
export interface GroupTalk {
  readonly call: CollectiveOp;
  /** As `trafficBytes` of mesh/traffic.ts takes them: the vector's; of allGather the shard's. */
  readonly bytes: number;
  /** Ranks of the group by tier, innermost first: [8, 4] are 8 in each of 4 nodes. Their product is the group's size. */
  readonly spread: readonly number[];
}

/** Seconds of one collective with nothing beside it. */
export type TalkSeconds = (talk: GroupTalk, cluster: Cluster) => number;

/** How ranks work side by side. */
export interface Meetings {
  /** Seconds of work from one meeting of ranks to the next. */
  readonly secondsBetween: number;
  /** Share of the ranks that wait for work, on average. */
  readonly idle: number;
}

/** Time from one meeting to the next, over that of the kernels in between; at least 1. */
export type Pace = (meetings: Meetings, cluster: Cluster) => number;
