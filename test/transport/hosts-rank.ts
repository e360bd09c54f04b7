// A rank that makes an all-to-all of rows and tells every message of which it is made: the blocks that its exchanges have for others.
import type { Group } from '../../src/mesh/mesh.ts';
import * as collectives from '../../src/runtime/transport/threads/collectives.ts';
import { connectThreads } from '../../src/runtime/transport/threads/connect.ts';
import type { ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import type { Transport } from '../../src/runtime/transport/transport.ts';

export interface HostsJob {
  readonly shared: ThreadsShared;
  readonly group: Group;
}

export interface Message {
  /** Ranks. */
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

export interface HostsResult {
  readonly messages: readonly Message[];
  readonly output: readonly number[];
}

/** Rows from one rank to another: none to some, and no two alike. */
const rowsBetween = (from: number, to: number): number => (from + to === 3 ? 0 : 1 + 8 * from + to);

export async function rank({ rank: from }: Transport, job: unknown): Promise<HostsResult> {
  const { shared, group } = job as HostsJob;
  const messages: Message[] = [];
  const transport = connectThreads(shared, from, {
    collectives: {
      allToAllV(end, rows, site) {
        for (const [member, to] of end.group.ranks.entries()) {
          const rowsTo = rows.sent[member]!;
          if (to !== from && rowsTo > 0) messages.push({ from, to, rows: rowsTo });
        }
        collectives.allToAllV(end, rows, site);
      },
    },
  });
  const sent = Int32Array.from(group.ranks, (to) => rowsBetween(from, to));
  const received = Int32Array.from(group.ranks, (sender) => rowsBetween(sender, from));
  const total = (counts: Int32Array): number => counts.reduce((a, b) => a + b, 0);
  const input = Float64Array.from({ length: total(sent) }, (_, row) => 1000 * from + row);
  const output = new Float64Array(total(received));
  transport.allToAllV(group, { input, sent, output, received, width: 1 }, 'over hosts');
  transport.close();
  return { messages, output: [...output] };
}
