// One rank's end of a group: phases. In a phase every member posts its line and waits for everybody else's.
//
// One rule: a member writes its own part of phase p's memory between advance() and meet(), and reads anybody's part of it only
// from meet() on and until it posts phase p + 1.
//
//   advance    meet                  advance    meet
//   p: write ─► post ─► all posted ─► p: read ─────────────► p + 1: post ─► all posted ─► p + 2: write, over p
//                                    p + 1: write ─────────►
//
// Lines, slots and outputs exist twice; phase p has those of parity p & 1. What is read of p was written before its writer posted
// p, and is read after all have. What overwrites it belongs to p + 2, is written after all have posted p + 1, and so after all have
// read. Parts of one phase have one writer each. So no access meets another unordered, with a single synchronisation a phase.
// The first phase of a call carries its header, so that checking the call costs no extra one. in-place.ts has the rule for vectors that are
// read where they are.
//
// A call on still shards meets nobody: what it was goes into the header of the next call that does.
import { fail } from '../../../errors.ts';
import type { Group } from '../../../mesh/mesh.ts';
import { type Call, callText, opCode, opNames } from './calls.ts';
import { type GroupMap, lineBytes } from './memory-map.ts';
import type { Place } from './peer-memory.ts';
import type { RankContext } from './rank-context.ts';
import type { SharedMemory } from './shared-memory.ts';
import { siteName } from './sites.ts';
import type { Blocked } from './waiter.ts';

// Words of a line: the phase, its sleepers, then the header.
const phaseWord = 0;
const headerWord = 2;
/**
 * op, type, count, outer, inner, extra, hash of the site, hash of all calls that met nobody: compared between ranks, except for the count
 * of an all-to-all of uneven blocks.
 */
const comparedWords = 8;
const countWord = headerWord + 2;
const passedWord = headerWord + comparedWords - 1;
/** After the site's number: the heap in which the member's vector lies + 1, or 0, and the byte at which it starts there. */
const placeWord = headerWord + comparedWords + 1;

/** What a transport and its collectives use of an end. */
export type CollectiveEnd = Pick<GroupEnd, keyof GroupEnd>;

export class GroupEnd implements Blocked {
  readonly context: RankContext;
  readonly group: Group;
  readonly index: number;
  /** This rank's place in the group. */
  readonly me: number;
  readonly size: number;
  /** From one slot, output or scratch to the next, in bytes. */
  readonly stride: number;
  readonly #map: GroupMap;
  readonly #memory: SharedMemory;
  readonly #lines: number;
  #phase = 1;
  /** The phase that carried the header of the call: its line keeps it until the next call. */
  #callPhase = 1;
  #fresh = false;
  #awaited = 0;
  /** Of all calls so far that met nobody. */
  #passed = 0;
  /** Where the shards lie that are gathered with an own one, by its heap and byte. */
  readonly #stillSources = new Map<string, readonly Place[]>();

  constructor(context: RankContext, index: number) {
    this.context = context;
    this.index = index;
    this.group = context.shared.plan.groups[index]!;
    this.me = this.group.ranks.indexOf(context.rank);
    this.size = this.group.ranks.length;
    this.#map = context.shared.map.groups[index]!;
    this.stride = context.shared.map.slotStride;
    this.#memory = context.bytes;
    this.#lines = this.#map.lines / 4;
  }

  /** Begins a call. Its data may be put into slots and outputs after {@link advance}. */
  begin(op: number, type: number, count: number, outer: number, inner: number, extra: number, site: string): void {
    const ref = this.context.begin(op, this.index, -1, count, type, site);
    if (this.size === 1) return;
    const memory = this.#memory;
    this.#callPhase = (this.#phase + 1) | 0;
    const header = this.#line(this.me, this.#callPhase) + headerWord;
    memory.write(header, op);
    memory.write(header + 1, type);
    memory.write(header + 2, count);
    memory.write(header + 3, outer);
    memory.write(header + 4, inner);
    memory.write(header + 5, extra);
    memory.write(header + 6, ref.hash);
    memory.write(header + 7, this.#passed);
    memory.write(header + comparedWords, ref.id);
    this.#fresh = true;
  }

  end(): void {
    this.context.end();
  }

  /** Ends the part of a call that met nobody. That all have made it is compared when they meet next. */
  pass(): void {
    const line = this.#line(this.me, this.#callPhase);
    for (let i = headerWord; i < headerWord + comparedWords; i++)
      this.#passed = Math.imul(this.#passed ^ this.#memory.read(line + i), 0x01000193);
    this.#fresh = false;
  }

  /** Where the members' shards lie that are gathered with this one of this rank's; undefined until {@link setStillSources}. */
  stillSources({ heap, at }: Place): readonly Place[] | undefined {
    return this.#stillSources.get(`${heap} ${at}`);
  }

  setStillSources({ heap, at }: Place, sources: readonly Place[]): void {
    this.#stillSources.set(`${heap} ${at}`, sources);
  }

  /** Enters the next phase: this rank's slot and its part of the output are its own to write until {@link meet}. */
  advance(): void {
    this.#phase = (this.#phase + 1) | 0;
  }

  /** Posts the phase and waits until all have; compares the headers in the first phase of a call. */
  meet(): void {
    const phase = this.#phase;
    const memory = this.#memory;
    memory.publish(this.#line(this.me, phase) + phaseWord, phase);
    const old = (phase - 2) | 0;
    for (let member = 0; member < this.size; member++) {
      if (member === this.me) continue;
      const line = this.#line(member, phase);
      this.#awaited = member;
      memory.wait(line + phaseWord, old, this);
      if (this.#fresh) this.#compare(member, line);
    }
    this.#fresh = false;
  }

  /** A phase in which every member says where its vector lies, and writes what else it has for it; returns what they said. */
  exchange(mine: Place | undefined, write?: () => void): (Place | undefined)[] {
    const memory = this.#memory;
    this.advance();
    write?.();
    const line = this.#line(this.me, this.#phase) + placeWord;
    memory.write(line, mine ? mine.heap + 1 : 0);
    memory.write(line + 1, mine ? mine.at : 0);
    this.meet();
    return this.group.ranks.map((rank, member) => {
      const theirs = this.#line(member, this.#phase) + placeWord;
      const heap = memory.read(theirs) - 1;
      return heap < 0 ? undefined : { rank, heap, at: memory.read(theirs + 1) >>> 0 };
    });
  }

  /** Where the slot of a member for this phase starts (byte offset). */
  slot(member: number): number {
    return this.#map.slots + ((this.#phase & 1) * this.size + member) * this.stride;
  }

  /** The output of this phase: as large as a slot, every byte written by one member. */
  output(): number {
    return this.#map.outputs + (this.#phase & 1) * this.stride;
  }

  /** Memory of this member alone, as large as a slot. */
  scratch(): number {
    return this.#map.scratch + this.me * this.stride;
  }

  #line(member: number, phase: number): number {
    return this.#lines + (2 * member + (phase & 1)) * (lineBytes / 4);
  }

  #compare(member: number, theirs: number): void {
    const memory = this.#memory;
    const mine = this.#line(this.me, this.#phase);
    const uneven = memory.read(mine + headerWord) === opCode.allToAllV;
    for (let i = headerWord; i < headerWord + comparedWords; i++) {
      if (memory.read(mine + i) === memory.read(theirs + i) || (uneven && i === countWord)) continue;
      const call = callText(this.#callOf(member, theirs));
      this.#mismatch(member, i === passedWord ? `${call}, after other gathers of still shards` : call);
    }
  }

  #callOf(member: number, line: number): Call {
    const word = (i: number): number => this.#memory.read(line + headerWord + i);
    const site = siteName(this.context.shared.memory.buffer, this.group.ranks[member]!, word(comparedWords));
    return { op: word(0), type: word(1), count: word(2), outer: word(3), inner: word(4), extra: word(5), site };
  }

  #myCall(): Call {
    return this.#callOf(this.me, this.#line(this.me, this.#callPhase));
  }

  #mismatch(member: number, theirs: string): never {
    fail('COLLECTIVE_MISMATCH', {
      axis: this.group.axis,
      rank: this.context.rank,
      peer: this.group.ranks[member],
      mine: callText(this.#myCall()),
      theirs,
    });
  }

  get awaited(): number {
    return this.group.ranks[this.#awaited]!;
  }

  check(): void {
    this.context.checkAbort();
    const peer = this.group.ranks[this.#awaited]!;
    const line = this.#line(this.#awaited, this.#phase);
    if (this.context.hasFinished(peer) && this.#memory.load(line + phaseWord) !== this.#phase)
      this.#mismatch(this.#awaited, 'nothing: it has finished');
  }

  timedOut(seconds: number): never {
    const { ranks, axis } = this.group;
    const posted = (member: number): number => this.#memory.load(this.#line(member, this.#phase) + phaseWord);
    const missing = ranks.filter((_, member) => posted(member) !== this.#phase);
    const call = this.#myCall();
    fail('COLLECTIVE_TIMEOUT', {
      rank: this.context.rank,
      seconds,
      op: opNames[call.op],
      axis,
      site: call.site,
      waitingFor: missing.map((rank) => `rank ${rank}`).join(', '),
      missing,
      detail: this.context.activity(missing),
    });
  }
}
