// Collectives that do not keep a rule of group-end.ts: phases, slots, headers and outputs.
import * as collectives from '../../src/runtime/transport/threads/collectives.ts';
import type { GroupEnd } from '../../src/runtime/transport/threads/group-end.ts';
import { lineBytes } from '../../src/runtime/transport/threads/memory-map.ts';
import type { ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import { changed, copies, endFault, type Fault, postponed, thenRun, through, worldFault } from './fault.ts';
import { lateAllReduce } from './late-all-reduce.ts';

const nobody = new Int32Array(new SharedArrayBuffer(4));

export const groupFaults = {
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
        ...thenRun(memory, late),
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
        ...thenRun(memory, late),
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
} as const satisfies Readonly<Record<string, Fault>>;

const isSlot = ({ map }: ThreadsShared, at: number): boolean =>
  map.groups.some(({ slots, outputs }) => at >= slots && at < outputs);

function otherParity(end: GroupEnd, at: number): number {
  const { slots } = end.context.shared.map.groups[end.index]!;
  const half = end.size * end.stride;
  return at < slots + half ? at + half : at - half;
}
