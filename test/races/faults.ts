// Deliberate breakages of the transport, each a rule of group-end.ts or channel.ts that is not kept: the detector must find them all.
import type { TransportParts } from '../../src/runtime/transport/threads/parts.ts';
import type { Instruments } from '../../src/runtime/transport/threads/rank-context.ts';
import type { ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import { channelFaults } from './channel-faults.ts';
import { groupFaults } from './group-faults.ts';
import { registeredFaults } from './registered-faults.ts';

export const faults = { ...groupFaults, ...channelFaults, ...registeredFaults };

export type FaultName = keyof typeof faults;

export const faultNames = Object.keys(faults) as FaultName[];

/** The recorded parts with a fault on top: what is recorded is what the fault does. */
export function withFault(name: FaultName, instruments: Instruments, shared: ThreadsShared): TransportParts {
  const fault: TransportParts = faults[name].parts(shared);
  return {
    ...fault,
    memory: (memory, of) => {
      const recorded = instruments.memory?.(memory, of) ?? memory;
      return fault.memory?.(recorded, of) ?? recorded;
    },
    peers: (peers, placeOf) => {
      const recorded = instruments.peers?.(peers, placeOf) ?? peers;
      return fault.peers?.(recorded, placeOf) ?? recorded;
    },
    kernels: (kernels) => {
      const recorded = instruments.kernels?.(kernels) ?? kernels;
      return fault.kernels?.(recorded) ?? recorded;
    },
  };
}
