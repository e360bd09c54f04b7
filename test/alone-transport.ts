// The transport of a world of one rank: there is nobody to talk to.
import type { Transport } from '../src/runtime/transport/transport.ts';

const nobody = (what: string) => (): never => {
  throw new Error(`${what} in a world of one rank`);
};

/** Collectives of one rank never reach a transport, so this one only listens to heartbeats. */
export const aloneTransport = (): Transport => ({
  rank: 0,
  size: 1,
  counters: {},
  allocate: (bytes) => new Uint8Array(bytes),
  allReduce: nobody('allReduce'),
  allGather: nobody('allGather'),
  reduceScatter: nobody('reduceScatter'),
  allToAll: nobody('allToAll'),
  allToAllV: nobody('allToAllV'),
  ringShift: nobody('ringShift'),
  broadcast: nobody('broadcast'),
  send: nobody('send'),
  recv: nobody('recv'),
  barrier: () => undefined,
  heartbeat: () => undefined,
  close: () => undefined,
});
