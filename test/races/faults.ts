// Deliberate breakages of the transport, each a rule of group-end.ts or channel.ts that is not kept: the detector must find them all.
import { channelWord, headersWord } from '../../src/runtime/transport/threads/channel-map.ts';
import * as collectives from '../../src/runtime/transport/threads/collectives.ts';
import type { CollectiveEnd, GroupEnd } from '../../src/runtime/transport/threads/group-end.ts';
import { lineBytes } from '../../src/runtime/transport/threads/memory-map.ts';
import type { TransportParts } from '../../src/runtime/transport/threads/parts.ts';
import type { Instruments } from '../../src/runtime/transport/threads/rank-context.ts';
import type { SharedMemory } from '../../src/runtime/transport/threads/shared-memory.ts';
import type { ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import { lateAllReduce } from './late-all-reduce.ts';

interface Fault {
  /** Where two ranks must be found to meet, and with which kinds of access. */
  readonly place: RegExp;
  readonly kinds: readonly [string, string];
  readonly on: 'group' | 'channel' | 'registered';
  readonly parts: (shared: ThreadsShared) => TransportParts;
}

/** An end that does some things in another way. */
const changed = (end: CollectiveEnd, changes: Partial<CollectiveEnd>): CollectiveEnd => ({
  context: end.context,
  group: end.group,
  index: end.index,
  me: end.me,
  size: end.size,
  stride: end.stride,
  get awaited() {
    return end.awaited;
  },
  begin: (...call) => end.begin(...call),
  end: () => end.end(),
  exchange: (mine) => end.exchange(mine),
  advance: () => end.advance(),
  meet: () => end.meet(),
  slot: (member) => end.slot(member),
  output: () => end.output(),
  scratch: () => end.scratch(),
  check: () => end.check(),
  timedOut: (seconds) => end.timedOut(seconds),
  ...changes,
});

/** A memory of which some accesses are made in another way. */
const through = (memory: SharedMemory, changes: Partial<SharedMemory>): SharedMemory => ({
  copyIn: (...copy) => memory.copyIn(...copy),
  copyOut: (...copy) => memory.copyOut(...copy),
  read: (word) => memory.read(word),
  write: (word, value) => memory.write(word, value),
  load: (word) => memory.load(word),
  publish: (word, value) => memory.publish(word, value),
  wait: (word, value, blocked) => memory.wait(word, value, blocked),
  ...changes,
});

const endFault = (change: (end: GroupEnd) => Partial<CollectiveEnd>): Fault['parts'] => {
  return () => ({ end: (end) => changed(end, change(end)) });
};

const worldFault = (change: (memory: SharedMemory, shared: ThreadsShared) => Partial<SharedMemory>): Fault['parts'] => {
  return (shared) => ({
    memory: (memory, name) => (name === 'world' ? through(memory, change(memory, shared)) : memory),
  });
};

const channelFault = (change: (memory: SharedMemory) => Partial<SharedMemory>): Fault['parts'] => {
  return () => ({ memory: (memory, name) => (name === 'world' ? memory : through(memory, change(memory))) });
};

/** Puts meeting number `skipped` after an exchange of places off until the next: its phase is posted and awaited, but too late. */
function skipMeeting(end: CollectiveEnd, skipped: number): Partial<CollectiveEnd> {
  const late = postponed();
  let meetings = Number.POSITIVE_INFINITY;
  return {
    begin: (...call) => {
      meetings = Number.POSITIVE_INFINITY;
      end.begin(...call);
    },
    exchange: (mine) => {
      late.run();
      meetings = 0;
      return end.exchange(mine);
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

/** Work put off until `run`. */
function postponed(): { add: (work: () => void) => void; run: () => void } {
  let works: (() => void)[] = [];
  return {
    add: (work) => void works.push(work),
    run: () => {
      const now = works;
      works = [];
      for (const work of now) work();
    },
  };
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

const copies = ['copyIn', 'copyOut'] as const;

export const faults = {
  /** What this project shipped once. */
  'all-reduce takes its last chunk after its last phase, from an output written after meeting': {
    place: /^output/,
    kinds: ['copyOut', 'kernel write'],
    on: 'group',
    parts: () => ({ collectives: { allReduce: lateAllReduce } }),
  },
  'the second phase of a call is posted but not waited for': {
    place: /^output/,
    kinds: ['copyOut', 'kernel write'],
    on: 'group',
    parts: () => {
      let phase = 0;
      return {
        memory: (memory, name) =>
          name === 'world'
            ? through(memory, { wait: (...wait) => (phase === 2 ? undefined : memory.wait(...wait)) })
            : memory,
        end: (end) =>
          changed(end, {
            begin: (...call) => {
              phase = 0;
              end.begin(...call);
            },
            meet: () => {
              phase++;
              end.meet();
            },
          }),
      };
    },
  },
  'posted phases are read as plain words': {
    place: /^line/,
    kinds: ['publish', 'word read'],
    on: 'group',
    parts: worldFault((memory) => ({
      wait: (word, value, blocked) => {
        for (let round = 0; memory.read(word) === value; round++) {
          if (round === 20_000) blocked.timedOut(1);
          Atomics.wait(nobody, 0, 0, 0.05);
        }
      },
    })),
  },
  'slots are read in the other parity': {
    place: /^slot/,
    kinds: copies,
    on: 'group',
    parts: endFault((end) => {
      let met = false;
      return {
        advance: () => {
          met = false;
          end.advance();
        },
        meet: () => {
          end.meet();
          met = true;
        },
        slot: (member) => (met ? otherParity(end, end.slot(member)) : end.slot(member)),
      };
    }),
  },
  'a call of many chunks advances once': {
    place: /^slot/,
    kinds: copies,
    on: 'group',
    parts: endFault((end) => {
      let advanced = false;
      return {
        begin: (...call) => {
          advanced = false;
          end.begin(...call);
        },
        advance: () => {
          if (!advanced) end.advance();
          advanced = true;
        },
      };
    }),
  },
  'a slot is read after the next phase is posted': {
    place: /^slot/,
    kinds: copies,
    on: 'group',
    parts: worldFault((memory, shared) => {
      const late = postponed();
      return {
        copyOut: (at, ...copy) => {
          if (isSlot(shared, at)) late.add(() => memory.copyOut(at, ...copy));
          else memory.copyOut(at, ...copy);
        },
        publish: (word, value) => {
          memory.publish(word, value);
          late.run();
        },
      };
    }),
  },
  'every member writes the slot of member 0': {
    place: /^slot of member 0/,
    kinds: ['copyIn', 'copyIn'],
    on: 'group',
    parts: endFault((end) => ({ slot: () => end.slot(0) })),
  },
  'a phase is posted before its slot is written': {
    place: /^slot/,
    kinds: copies,
    on: 'group',
    parts: worldFault((memory) => {
      const late = postponed();
      return {
        copyIn: (...copy) => late.add(() => memory.copyIn(...copy)),
        publish: (word, value) => {
          memory.publish(word, value);
          late.run();
        },
      };
    }),
  },
  'headers are kept once, not by parity': {
    place: /^line/,
    kinds: ['word read', 'word write'],
    on: 'group',
    parts: worldFault((memory, { map }) => {
      const first = map.groups[0]!.lines / 4;
      const words = lineBytes / 4;
      const even = (word: number): number => (((word - first) / words) & 1 ? word - words : word);
      return { read: (word) => memory.read(even(word)), write: (word, value) => memory.write(even(word), value) };
    }),
  },
  'all members share one scratch': {
    place: /^scratch/,
    kinds: ['kernel write', 'kernel write'],
    on: 'group',
    parts: endFault((end) => ({ scratch: () => end.scratch() - end.me * end.stride })),
  },
  'slots lie closer than a chunk': {
    place: /^slot/,
    kinds: ['copyIn', 'copyIn'],
    on: 'group',
    parts: endFault((end) => ({
      stride: 128,
      slot: (member) => end.slot(0) + member * 128,
    })),
  },
  'a slice of an all-reduce is a line too long': {
    place: /^output/,
    kinds: ['kernel write', 'kernel write'],
    on: 'group',
    parts: () => ({
      kernels: (kernels) => ({
        ...kernels,
        sumF32: (out, first, stride, slots, count, rows, rowStride) =>
          kernels.sumF32(out, first, stride, slots, count + 16, rows, rowStride),
      }),
    }),
  },
  'rows are spread twice as wide as their blocks': {
    place: /^output/,
    kinds: ['kernel write', 'kernel write'],
    on: 'group',
    parts: () => ({
      kernels: (kernels) => ({
        ...kernels,
        spreadRows: (out, from, bytes, rows, rowStride) => kernels.spreadRows(out, from, 2 * bytes, rows, rowStride),
      }),
    }),
  },
  'outputs are kept once, not by parity': {
    place: /^output/,
    kinds: ['copyOut', 'kernel write'],
    on: 'group',
    parts: endFault((end) => {
      const outputs = end.context.shared.map.groups[end.index]!.outputs;
      return { output: () => outputs };
    }),
  },
  'slots are kept once, not by parity': {
    place: /^slot/,
    kinds: copies,
    on: 'group',
    parts: endFault((end) => {
      const { slots } = end.context.shared.map.groups[end.index]!;
      return { slot: (member) => slots + member * end.stride };
    }),
  },
  'a broadcast neither posts nor awaits its second chunk': {
    place: /^line/,
    kinds: ['word read', 'word write'],
    on: 'group',
    parts: () => {
      let broadcasting = false;
      let met = 0;
      return {
        collectives: {
          broadcast: (end, data, root) => {
            broadcasting = true;
            met = 0;
            collectives.broadcast(end, data, root);
            broadcasting = false;
          },
        },
        end: (end) =>
          changed(end, {
            meet: () => {
              // The first chunk meets, since it carries the header.
              if (!broadcasting || met++ === 0) end.meet();
            },
          }),
      };
    },
  },
  'a sender counts bytes as written before it writes them': {
    place: /^bytes/,
    kinds: copies,
    on: 'channel',
    parts: channelFault((memory) => {
      const late = postponed();
      return {
        copyIn: (...copy) => late.add(() => memory.copyIn(...copy)),
        publish: (word, value) => {
          memory.publish(word, value);
          if (word === channelWord.written) late.run();
        },
      };
    }),
  },
  'a receiver counts bytes as read before it reads them': {
    place: /^bytes/,
    kinds: copies,
    on: 'channel',
    parts: channelFault((memory) => {
      const late = postponed();
      return {
        copyOut: (...copy) => late.add(() => memory.copyOut(...copy)),
        publish: (word, value) => {
          memory.publish(word, value);
          if (word === channelWord.read) late.run();
        },
      };
    }),
  },
  'a sender does not wait until a header is taken': {
    place: /^header/,
    kinds: ['word read', 'word write'],
    on: 'channel',
    parts: channelFault((memory) => {
      let sent = 0;
      return {
        load: (word) => (word === channelWord.taken ? sent++ : memory.load(word)),
      };
    }),
  },
  'a message is posted before its header is written': {
    place: /^header/,
    kinds: ['word read', 'word write'],
    on: 'channel',
    parts: channelFault((memory) => {
      const late = postponed();
      return {
        write: (word, value) => {
          if (word >= headersWord) late.add(() => memory.write(word, value));
          else memory.write(word, value);
        },
        publish: (word, value) => {
          memory.publish(word, value);
          if (word === channelWord.posted) late.run();
        },
      };
    }),
  },
  'a receiver says that it has taken a message before it reads the header': {
    place: /^header/,
    kinds: ['word read', 'word write'],
    on: 'channel',
    parts: channelFault((memory) => {
      // Only the receiver waits for what is posted.
      let taken = 0;
      return {
        wait: (word, value, blocked) => {
          memory.wait(word, value, blocked);
          if (word === channelWord.posted) memory.publish(channelWord.taken, ++taken);
        },
        publish: (word, value) => {
          if (word !== channelWord.taken) memory.publish(word, value);
        },
      };
    }),
  },
  'a sender takes a full channel for an empty one': {
    place: /^bytes/,
    kinds: copies,
    on: 'channel',
    parts: channelFault((memory) => ({
      load: (word) => (word === channelWord.read ? memory.read(channelWord.written) : memory.load(word)),
    })),
  },
  'vectors are read in place before all have posted': {
    place: /^registered/,
    kinds: ['in place read', 'owner write'],
    on: 'registered',
    parts: endFault((end) => {
      const late = postponed();
      return {
        // All vectors of a call lie at the same place of their ranks.
        exchange: (mine) => {
          late.add(() => void end.exchange(mine));
          return end.group.ranks.map((rank) => ({ ...mine!, rank }));
        },
        advance: () => {
          late.run();
          end.advance();
        },
      };
    }),
  },
  'slices are copied before all are summed': {
    place: /^registered/,
    kinds: ['in place read', 'in place write'],
    on: 'registered',
    parts: endFault((end) => skipMeeting(end, 0)),
  },
  'a sum in place returns before all have copied its vector': {
    place: /^registered/,
    kinds: ['in place read', 'owner write'],
    on: 'registered',
    parts: endFault((end) => skipMeeting(end, 1)),
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
  'a slice that is summed in place is a line too long': {
    place: /^registered/,
    kinds: ['in place read', 'in place write'],
    on: 'registered',
    parts: () => ({
      peers: (peers) => ({
        copy: (...copy) => peers.copy(...copy),
        reduce: (op, from, target, start, count) => peers.reduce(op, from, target, start, count + 16),
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
          if (inLine(word) > 9) late.add(() => memory.write(word, value));
          else memory.write(word, value);
        },
        publish: (word, value) => {
          memory.publish(word, value);
          late.run();
        },
      };
    }),
  },
} as const satisfies Readonly<Record<string, Fault>>;

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

const isSlot = ({ map }: ThreadsShared, at: number): boolean =>
  map.groups.some(({ slots, outputs }) => at >= slots && at < outputs);

function otherParity(end: GroupEnd, at: number): number {
  const { slots } = end.context.shared.map.groups[end.index]!;
  const half = end.size * end.stride;
  return at < slots + half ? at + half : at - half;
}
