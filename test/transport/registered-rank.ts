// A rank that uses registered memory and ends as it is told: by returning, or in the middle of a call on vectors in it.
import type { Group } from '../../src/mesh/mesh.ts';
import { connectThreads } from '../../src/runtime/transport/threads/connect.ts';
import type { PeerMemory } from '../../src/runtime/transport/threads/peer-memory.ts';
import type { ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import type { Transport } from '../../src/runtime/transport/transport.ts';

export interface RegisteredJob {
  readonly group: Group;
  /** Elements of the vector of every round. */
  readonly lengths: readonly number[];
  /** How rank 1 ends: in its first sum in `shared`, while the others go on reading its memory; without `shared`, after it. */
  readonly dies?: 'exits' | 'loops' | 'throws';
  readonly shared?: ThreadsShared;
}

function sayAlive(transport: Transport): void {
  try {
    transport.heartbeat('reading');
  } catch {
    // The world has failed.
  }
}

/** True if every round's vector was zeros at first and held the sum in the end. */
export async function rank(own: Transport, job: unknown): Promise<boolean> {
  const { group, lengths, dies, shared } = job as RegisteredJob;
  const dying = (peers: PeerMemory): PeerMemory => ({
    copy: (...copy) => peers.copy(...copy),
    reduce: (...reduce) => {
      if (own.rank === 1) {
        if (dies === 'exits') process.exit(3);
        if (dies === 'throws') throw new Error('no more');
        for (;;);
      }
      // Longer than the world waits for rank 1: that ends, and in the end this is ended too, while this reads its memory.
      for (const end = performance.now() + 10_000; performance.now() < end; ) {
        peers.reduce(...reduce);
        sayAlive(own);
      }
    },
  });
  const transport = dies && shared ? connectThreads(shared, own.rank, { peers: dying }) : own;
  let right = true;
  for (const length of lengths) {
    const { buffer, byteOffset } = transport.allocate(4 * length);
    const vector = new Float32Array(buffer, byteOffset, length);
    right &&= vector.every((value) => value === 0);
    vector.fill(own.rank + 1);
    transport.allReduce(group, vector, 'sum', 'registered');
    const sum = (own.size * (own.size + 1)) / 2;
    right &&= vector.every((value) => value === sum);
    if (dies && own.rank === 1) throw new Error('no more');
  }
  return right;
}
