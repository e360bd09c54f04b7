// What a cluster is to the planner: alike devices joined by tiers of links, the fastest first.
import type { SoftwareChange } from '../software/frameworks.ts';
import type { Device } from './device.ts';
import type { Host } from './host.ts';
import type { LinkKind } from './link.ts';
import type { MeasuredMachine } from './measured-machine.ts';

/** Links that join so many devices, those of all tiers inside included: a node, a rack, the cluster. */
export interface Tier {
  readonly name: string;
  readonly link: LinkKind;
  readonly devices: number;
  /** Of one device to others of its tier, one direction, all at once. */
  readonly bytesPerSecond: number;
  /** Of one message, from rank to rank. */
  readonly latencySeconds: number;
  /** Switches add up what passes through them (NVLS, SHARP). */
  readonly reducesInSwitches?: boolean;
  /** Where the figures are from. */
  readonly source: string;
}

export interface Cluster {
  /** As given, e.g. `1024xh100`. */
  readonly name: string;
  readonly device: Device;
  readonly devices: number;
  /** Innermost first; the last joins all devices. */
  readonly tiers: readonly Tier[];
  /** Undefined: not known. */
  readonly host?: Host;
  /** What its collectives take, and what its ranks lose that wait for each other, where that was measured. */
  readonly measured?: Pick<MeasuredMachine, 'talk' | 'pace' | 'turns'>;
  /** What runs there, where runs of its owner said so: how it differs from a tuned stack of today. */
  readonly software?: SoftwareChange;
  /** Devices of other kinds, in the order of ranks, where not all are alike: `devices` counts all. */
  readonly others?: readonly { readonly device: Device; readonly devices: number }[];
}
