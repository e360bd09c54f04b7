// A rank that makes calls on a recorded transport over memory of its own, and hands back the record.
import type { Group } from '../../src/mesh/mesh.ts';
import { connectThreads } from '../../src/runtime/transport/threads/connect.ts';
import type { ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import type { Piece, Transport } from '../../src/runtime/transport/transport.ts';
import type { Owner } from '../transport/conformance-vectors.ts';
import { AccessLog } from './access-log.ts';
import { type Call, makeCall } from './calls.ts';
import { type FaultName, withFault } from './faults.ts';
import { delays, free, type PaceName, turns } from './paces.ts';
import { recording } from './recorder.ts';

export interface RacesJob {
  /** The memory that the calls use; the world that runs the ranks has its own. */
  readonly shared: ThreadsShared;
  readonly calls: readonly Call[];
  /** Every rank is in at most one group of a family. */
  readonly families: readonly (readonly Group[])[];
  /** Numbers of calls and families: call + calls.length * family. */
  readonly sequence: readonly number[];
  /** All registered vectors of a call lie in so many bytes, the same for every call. */
  readonly registeredBytes: number;
  readonly pace: { readonly name: PaceName; readonly seed: number; readonly stay: number };
  readonly turns: Int32Array;
  readonly fault?: FaultName;
}

export interface RacesResult {
  readonly log: Int32Array;
  /** Results that are not what the reference says, and whatever a fault made the rank throw. */
  readonly errors: readonly string[];
}

/** An owner whose vectors of a call lie in the same bytes as those of every other call. */
function registeringIn(area: Piece, touch: NonNullable<Owner['touch']>): Owner {
  let taken = 0;
  return {
    touch,
    allocate(bytes) {
      const at = taken;
      // Room for a fault that goes on a line too far.
      taken += 64 * (Math.ceil(bytes / 64) + 1);
      if (taken > area.byteLength) throw new Error(`a call's vectors take ${taken} bytes, more than registeredBytes`);
      return { buffer: area.buffer, byteOffset: area.byteOffset + at, byteLength: bytes };
    },
  };
}

const alone: Group = { axis: 'tp', ranks: [] };

export async function rank(own: Transport, job: unknown): Promise<RacesResult> {
  const { shared, calls, families, sequence, registeredBytes, fault, ...run } = job as RacesJob;
  const { rank } = own;
  const log = new AccessLog();
  const { name, seed, stay } = run.pace;
  const inTurns = name === 'turns' ? turns(run.turns, rank, own.size, stay) : undefined;
  const pace = inTurns ?? (name === 'free' ? free : { pause: delays(seed + rank, 100), yields: false });
  const instruments = recording(shared, log, pace);
  const transport = connectThreads(shared, rank, fault ? withFault(fault, instruments, shared) : instruments);
  const area = transport.allocate(registeredBytes);
  const errors: string[] = [];
  try {
    for (const [index, symbol] of sequence.entries()) {
      const group = families[Math.floor(symbol / calls.length)]!.find(({ ranks }) => ranks.includes(rank));
      const call = calls[symbol % calls.length]!;
      // A message goes round all ranks.
      if (!group && call.op !== 'exchange') continue;
      log.event('call', 0, index, 0);
      const error = makeCall(transport, group ?? alone, call, symbol + 1, registeringIn(area, instruments.touch));
      if (error !== undefined) errors.push(`rank ${rank}, call ${index}: ${error}`);
    }
  } catch (error) {
    errors.push(`rank ${rank}: ${error}`);
  } finally {
    inTurns?.finish();
  }
  transport.close();
  return { log: log.rows(), errors };
}
