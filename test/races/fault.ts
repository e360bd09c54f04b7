// What a deliberate breakage of the transport is, and how ends and memories are made to do some things in another way.
import type { CollectiveEnd, GroupEnd } from '../../src/runtime/transport/threads/group-end.ts';
import type { TransportParts } from '../../src/runtime/transport/threads/parts.ts';
import type { SharedMemory } from '../../src/runtime/transport/threads/shared-memory.ts';
import type { ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';

export interface Fault {
  /** Where two ranks must be found to meet, and with which kinds of access. */
  readonly place: RegExp;
  readonly kinds: readonly [string, string];
  readonly on: 'group' | 'channel' | 'registered';
  readonly parts: (shared: ThreadsShared) => TransportParts;
}

/** An end that does some things in another way. */
export const changed = (end: CollectiveEnd, changes: Partial<CollectiveEnd>): CollectiveEnd => ({
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
  exchange: (...mine) => end.exchange(...mine),
  pass: () => end.pass(),
  stillSources: (mine) => end.stillSources(mine),
  setStillSources: (mine, sources) => end.setStillSources(mine, sources),
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
export const through = (memory: SharedMemory, changes: Partial<SharedMemory>): SharedMemory => ({
  copyIn: (...copy) => memory.copyIn(...copy),
  copyOut: (...copy) => memory.copyOut(...copy),
  read: (word) => memory.read(word),
  write: (word, value) => memory.write(word, value),
  load: (word) => memory.load(word),
  publish: (word, value) => memory.publish(word, value),
  wait: (word, value, blocked) => memory.wait(word, value, blocked),
  ...changes,
});

export const endFault = (change: (end: GroupEnd) => Partial<CollectiveEnd>): Fault['parts'] => {
  return () => ({ end: (end) => changed(end, change(end)) });
};

export const worldFault = (
  change: (memory: SharedMemory, shared: ThreadsShared) => Partial<SharedMemory>,
): Fault['parts'] => {
  return (shared) => ({
    memory: (memory, name) => (name === 'world' ? through(memory, change(memory, shared)) : memory),
  });
};

export const channelFault = (change: (memory: SharedMemory) => Partial<SharedMemory>): Fault['parts'] => {
  return () => ({ memory: (memory, name) => (name === 'world' ? memory : through(memory, change(memory))) });
};

interface Postponed {
  readonly add: (work: () => void) => void;
  readonly run: () => void;
}

/** Work put off until `run`. */
export function postponed(): Postponed {
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

/** Publishing, of one word or of any, after which what was put off is done. */
export const thenRun = (memory: SharedMemory, late: Postponed, after?: number): Pick<SharedMemory, 'publish'> => ({
  publish: (word, value) => {
    memory.publish(word, value);
    if (after === undefined || word === after) late.run();
  },
});

export const copies = ['copyIn', 'copyOut'] as const;
