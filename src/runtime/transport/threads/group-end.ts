// One rank's end of a group: phases. In a phase every member posts its line and waits for everybody else's.
//
// Everything a peer reads exists twice and phase p uses parity p & 1. A member that posts phase p + 1 has read all it wants of
// phase p, and nobody enters p + 2 before all have posted p + 1: so what a phase overwrites nobody still reads, with a single
// synchronisation a phase. The first phase of a call carries its header, so that checking the call costs no extra one.
import { fail } from '../../../errors.ts';
import type { Group } from '../../../mesh/mesh.ts';
import { type Call, callText, opNames } from './calls.ts';
import { type GroupMap, lineBytes, slotStride } from './memory-map.ts';
import type { RankContext } from './rank-context.ts';
import { siteName } from './sites.ts';
import type { Blocked } from './waiter.ts';
import { publish } from './waiter.ts';

// Words of a line: the phase, its sleepers, then the header.
const phaseWord = 0;
const headerWord = 2;
/** op, type, count, outer, inner, extra, hash of the site: compared between ranks. */
const comparedWords = 7;
const siteWord = headerWord + comparedWords;

export class GroupEnd implements Blocked {
  readonly context: RankContext;
  readonly group: Group;
  readonly index: number;
  /** This rank's place in the group. */
  readonly me: number;
  readonly size: number;
  readonly #map: GroupMap;
  readonly #words: Int32Array;
  readonly #lines: number;
  #phase = 1;
  /** The phase that carried the header of the call: its line keeps it until the next call. */
  #callPhase = 1;
  #fresh = false;
  #awaited = 0;

  constructor(context: RankContext, index: number) {
    this.context = context;
    this.index = index;
    this.group = context.shared.plan.groups[index]!;
    this.me = this.group.ranks.indexOf(context.rank);
    this.size = this.group.ranks.length;
    this.#map = context.shared.map.groups[index]!;
    this.#words = context.words;
    this.#lines = this.#map.lines / 4;
  }

  /** Begins a call. Its data may be put into slots and outputs after {@link advance}. */
  begin(op: number, type: number, count: number, outer: number, inner: number, extra: number, site: string): void {
    const ref = this.context.begin(op, this.index, -1, count, type, site);
    if (this.size === 1) return;
    const words = this.#words;
    this.#callPhase = (this.#phase + 1) | 0;
    const line = this.#line(this.me, this.#callPhase);
    words[line + headerWord] = op;
    words[line + headerWord + 1] = type;
    words[line + headerWord + 2] = count;
    words[line + headerWord + 3] = outer;
    words[line + headerWord + 4] = inner;
    words[line + headerWord + 5] = extra;
    words[line + headerWord + 6] = ref.hash;
    words[line + siteWord] = ref.id;
    this.#fresh = true;
  }

  end(): void {
    this.context.end();
  }

  /** Enters the next phase: its parity's slot, output and line are now this rank's to write. */
  advance(): void {
    this.#phase = (this.#phase + 1) | 0;
  }

  /** Posts the phase and waits until all have; compares the headers in the first phase of a call. */
  meet(): void {
    const phase = this.#phase;
    const words = this.#words;
    publish(words, this.#line(this.me, phase) + phaseWord, phase);
    const old = (phase - 2) | 0;
    for (let member = 0; member < this.size; member++) {
      if (member === this.me) continue;
      const line = this.#line(member, phase);
      if (Atomics.load(words, line) === old) {
        this.#awaited = member;
        this.context.waiter.whileEqual(line, old, this);
      }
      if (this.#fresh) this.#compare(member, line);
    }
    this.#fresh = false;
  }

  /** Where the slot of a member for this phase starts (byte offset). */
  slot(member: number): number {
    return this.#map.slots + ((this.#phase & 1) * this.size + member) * slotStride;
  }

  /** The output that all members share in this phase, or in the one before. */
  output(phasesBack: 0 | 1 = 0): number {
    return this.#map.outputs + ((this.#phase - phasesBack) & 1) * slotStride;
  }

  /** Memory of this member alone, as large as a slot. */
  scratch(): number {
    return this.#map.scratch + this.me * slotStride;
  }

  #line(member: number, phase: number): number {
    return this.#lines + (2 * member + (phase & 1)) * (lineBytes / 4);
  }

  #compare(member: number, theirs: number): void {
    const words = this.#words;
    const mine = this.#line(this.me, this.#phase);
    for (let i = headerWord; i < siteWord; i++) {
      if (words[mine + i] !== words[theirs + i]) this.#mismatch(member, this.#callOf(member, theirs));
    }
  }

  #callOf(member: number, line: number): Call {
    const word = (i: number): number => this.#words[line + headerWord + i]!;
    const site = siteName(this.context.bytes.buffer, this.group.ranks[member]!, this.#words[line + siteWord]!);
    return { op: word(0), type: word(1), count: word(2), outer: word(3), inner: word(4), extra: word(5), site };
  }

  #myCall(): Call {
    return this.#callOf(this.me, this.#line(this.me, this.#callPhase));
  }

  #mismatch(member: number, theirs: Call | string): never {
    fail('COLLECTIVE_MISMATCH', {
      axis: this.group.axis,
      rank: this.context.rank,
      peer: this.group.ranks[member],
      mine: callText(this.#myCall()),
      theirs: typeof theirs === 'string' ? theirs : callText(theirs),
    });
  }

  get awaited(): number {
    return this.group.ranks[this.#awaited]!;
  }

  check(): void {
    this.context.checkAbort();
    const peer = this.group.ranks[this.#awaited]!;
    const line = this.#line(this.#awaited, this.#phase);
    if (this.context.hasFinished(peer) && Atomics.load(this.#words, line) !== this.#phase)
      this.#mismatch(this.#awaited, 'nothing: it has finished');
  }

  timedOut(seconds: number): never {
    const { ranks, axis } = this.group;
    const missing = ranks.filter((_, m) => Atomics.load(this.#words, this.#line(m, this.#phase)) !== this.#phase);
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
