// Collectives on registered memory that reach a peer's vector before it may be read, or after it may be written.
import * as collectives from '../../src/runtime/transport/threads/collectives.ts';
import type { CollectiveEnd } from '../../src/runtime/transport/threads/group-end.ts';
import { lineBytes } from '../../src/runtime/transport/threads/memory-map.ts';
import { changed, endFault, type Fault, postponed, thenRun, worldFault } from './fault.ts';

/** Puts meeting number `skipped` after an exchange of places off until the next: its phase is posted and awaited, but too late. */
function skipMeeting(end: CollectiveEnd, skipped: number): Partial<CollectiveEnd> {
  const late = postponed();
  let meetings = Number.POSITIVE_INFINITY;
  return {
    begin: (...call) => {
      meetings = Number.POSITIVE_INFINITY;
      end.begin(...call);
    },
    exchange: (...mine) => {
      late.run();
      meetings = 0;
      return end.exchange(...mine);
    },
    advance: () => {
      if (meetings !== skipped) late.run();
      if (meetings !== skipped) end.advance();
    },
    meet: () => {
      const skip = meetings++ === skipped;
      if (!skip) return end.meet();
      late.add(() => {
        end.advance();
        end.meet();
      });
    },
  };
}

export const registeredFaults = {
  'vectors are read in place before all have posted': {
    place: /^registered/,
    kinds: ['in place read', 'owner write'],
    on: 'registered',
    parts: endFault((end) => {
      const late = postponed();
      return {
        // All vectors of a call lie at the same place of their ranks.
        exchange: (mine, write) => {
          late.add(() => void end.exchange(mine, write));
          return end.group.ranks.map((rank) => ({ ...mine!, rank }));
        },
        advance: () => {
          late.run();
          end.advance();
        },
      };
    }),
  },
  'a sum in place returns before all have written their slices of its vector': {
    place: /^registered/,
    kinds: ['in place write', 'owner read'],
    on: 'registered',
    parts: () => ({
      collectives: {
        allReduce: (end, ...call) => collectives.allReduce(changed(end, skipMeeting(end, 0)), ...call),
      },
    }),
  },
  'a gather in place returns before all have copied its shard': {
    place: /^registered/,
    kinds: ['in place read', 'owner write'],
    on: 'registered',
    parts: () => ({
      collectives: {
        allGather: (end, ...call) => collectives.allGather(changed(end, skipMeeting(end, 0)), ...call),
      },
    }),
  },
  'an all-to-all of rows in place returns before all have copied its rows': {
    place: /^registered/,
    kinds: ['in place read', 'owner write'],
    on: 'registered',
    parts: () => ({
      collectives: {
        allToAllV: (end, ...call) => collectives.allToAllV(changed(end, skipMeeting(end, 0)), ...call),
      },
    }),
  },
  'shards that have changed are gathered as if they were still': {
    place: /^registered/,
    kinds: ['in place read', 'owner write'],
    on: 'registered',
    parts: () => ({
      collectives: { allGather: (end, shard, whole, cut) => collectives.allGather(end, shard, whole, cut, true) },
    }),
  },
  'still shards change before all have met again': {
    place: /^registered/,
    kinds: ['in place read', 'owner write'],
    on: 'registered',
    parts: () => ({
      collectives: {
        allReduce: (end, data, op) => {
          if (data.length > 1) collectives.allReduce(end, data, op);
        },
      },
    }),
  },
  'a slice that is summed in place is a line too long': {
    place: /^registered/,
    kinds: ['in place read', 'in place write'],
    on: 'registered',
    parts: () => ({
      peers: (peers) => ({
        copy: (...copy) => peers.copy(...copy),
        reduce: (op, from, target, start, count, also) => peers.reduce(op, from, target, start, count + 16, also),
      }),
    }),
  },
  'a copy from registered memory is a line too long': {
    place: /^registered/,
    kinds: ['in place read', 'in place write'],
    on: 'registered',
    parts: () => ({
      peers: (peers) => ({
        copy: (from, target, start, count) =>
          peers.copy(from, target, start, Math.min(count + 16, target.length - start)),
        reduce: (...reduce) => peers.reduce(...reduce),
      }),
    }),
  },
  'the places of vectors are written after the phase is posted': {
    place: /^line/,
    kinds: ['word read', 'word write'],
    on: 'registered',
    parts: worldFault((memory, { map }) => {
      const late = postponed();
      const inLine = (word: number): number => (word - map.groups[0]!.lines / 4) % (lineBytes / 4);
      return {
        write: (word, value) => {
          // What follows the header.
          if (inLine(word) > 10) late.add(() => memory.write(word, value));
          else memory.write(word, value);
        },
        ...thenRun(memory, late),
      };
    }),
  },
} as const satisfies Readonly<Record<string, Fault>>;
