// The two ends of a channel from one rank to another: messages in order, through a ring of shared bytes.
//
// A message larger than the capacity streams through in pieces. The sender returns when all of it is in the ring.
import { fail } from '../../../errors.ts';
import type { Site, Tag, TransportLimits, Vector } from '../transport.ts';
import { callText, opCode, opNames, typeCode } from './calls.ts';
import { channelDataAt, channelWord, headersWord, headerWords, ringBytes, usableCapacity } from './channel-map.ts';
import type { RankContext } from './rank-context.ts';
import type { SharedMemory } from './shared-memory.ts';
import { siteName } from './sites.ts';
import type { Blocked } from './waiter.ts';

/** What both ends have: the ring and where this end stands in it. */
class ChannelEnd implements Blocked {
  readonly context: RankContext;
  readonly peer: number;
  protected readonly memory: SharedMemory;
  protected readonly capacity: number;
  protected readonly limits: TransportLimits;
  /** Messages that there are headers for. */
  protected readonly headers: number;
  readonly #op: number;
  readonly #ring: number;
  /** Where the ring starts. */
  readonly #data: number;
  #position = 0;
  protected messages = 0;
  #tag: Tag = 0;
  #site: Site = '';

  constructor(context: RankContext, peer: number, channel: number, op: number) {
    this.context = context;
    this.peer = peer;
    this.memory = context.memoryOf(context.shared.channels[channel]!, `channel ${channel}`);
    this.#op = op;
    const { capacityBytes, messages } = context.shared.plan.channels[channel]!;
    this.limits = context.shared.map.limits;
    this.capacity = usableCapacity(capacityBytes);
    this.headers = messages;
    this.#ring = ringBytes(capacityBytes, messages);
    this.#data = channelDataAt(messages);
  }

  protected begin(data: Vector, tag: Tag, site: Site): number {
    if (!(Number.isInteger(tag) && tag >= 0 && tag < 2 ** 31))
      throw new Error(`${tag} is no tag: not an integer from 0 on`);
    this.#tag = tag;
    this.#site = site;
    this.#position = (Math.ceil(this.#position / 8) * 8) % this.#ring;
    return this.context.begin(this.#op, -1, this.peer, data.length, typeCode(data), site).id;
  }

  /** The word index of the header of the message under way. */
  protected header(): number {
    return headersWord + (this.messages % this.headers) * headerWords;
  }

  /** Where the next bytes lie and how many of `bytes` lie there before the ring's end. */
  protected place(bytes: number): { at: number; bytes: number } {
    const at = this.#position;
    const fit = Math.min(bytes, this.#ring - at);
    this.#position = (at + fit) % this.#ring;
    return { at: this.#data + at, bytes: fit };
  }

  protected wait(word: number, value: number): void {
    this.memory.wait(word, value, this);
  }

  /** Adds to a counter that only this end writes. */
  protected add(word: number, amount: number): void {
    this.memory.publish(word, (this.memory.read(word) + amount) | 0);
  }

  protected mismatch(data: Vector, theirs: string): never {
    fail('COLLECTIVE_MISMATCH', {
      axis: 'pp',
      rank: this.context.rank,
      peer: this.peer,
      mine: messageText(this.#op, data.length, typeCode(data), this.#tag, this.#site),
      theirs,
    });
  }

  get awaited(): number {
    return this.peer;
  }

  check(): void {
    this.context.checkAbort();
    // Its last words may have come just now: only a peer that finished without them is gone for good.
    if (!this.context.hasFinished(this.peer) || this.moved()) return;
    fail('COLLECTIVE_MISMATCH', {
      axis: 'pp',
      rank: this.context.rank,
      peer: this.peer,
      mine: `${opNames[this.#op]} ${this.#op === opCode.send ? 'to' : 'from'} it at "${this.#site}"`,
      theirs: 'nothing: it has finished',
    });
  }

  /** True if the peer has left something to do. */
  protected moved(): boolean {
    return false;
  }

  timedOut(seconds: number): never {
    const { rank } = this.context;
    fail('COLLECTIVE_TIMEOUT', {
      rank,
      seconds,
      op: opNames[this.#op],
      axis: 'pp',
      site: this.#site,
      waitingFor: `rank ${this.peer}`,
      missing: [this.peer],
      detail: this.context.activity([this.peer]),
    });
  }
}

const messageText = (op: number, count: number, type: number, tag: Tag, site: Site): string =>
  callText({ op, type, count, outer: 0, inner: 0, extra: tag, site });

export class Sender extends ChannelEnd {
  constructor(context: RankContext, to: number, channel: number) {
    super(context, to, channel, opCode.send);
  }

  send(data: Vector, tag: Tag, site: Site): void {
    const siteId = this.begin(data, tag, site);
    const { memory } = this;
    const taken = memory.load(channelWord.taken);
    if (((this.messages - taken) | 0) >= this.headers) this.wait(channelWord.taken, taken);
    const header = this.header();
    memory.write(header, data.length);
    memory.write(header + 1, typeCode(data));
    memory.write(header + 2, tag);
    memory.write(header + 3, siteId);
    const width = data.BYTES_PER_ELEMENT;
    const total = data.length * width;
    let sent = 0;
    while (sent < total) {
      const free = this.#free(width);
      const { at, bytes } = this.place(Math.min(total - sent, free, this.limits.pieceBytes));
      memory.copyIn(at, data, sent / width, bytes / width);
      this.add(channelWord.written, bytes);
      if (sent === 0) this.add(channelWord.posted, 1);
      sent += bytes;
    }
    if (total === 0) this.add(channelWord.posted, 1);
    this.messages++;
    this.context.end();
  }

  /** Bytes that fit, a multiple of `width`; waits for at least one element's. */
  #free(width: number): number {
    for (;;) {
      const read = this.memory.load(channelWord.read);
      const used = (this.memory.read(channelWord.written) - read) | 0;
      const free = Math.floor((this.capacity - used) / width) * width;
      if (free > 0) return free;
      this.wait(channelWord.read, read);
    }
  }
}

export class Receiver extends ChannelEnd {
  constructor(context: RankContext, from: number, channel: number) {
    super(context, from, channel, opCode.recv);
  }

  recv(data: Vector, tag: Tag, site: Site): void {
    this.begin(data, tag, site);
    const { memory } = this;
    this.wait(channelWord.posted, this.messages | 0);
    const header = this.header();
    const count = memory.read(header);
    const type = memory.read(header + 1);
    const theirTag = memory.read(header + 2);
    if (count !== data.length || type !== typeCode(data) || theirTag !== tag) {
      const theirSite = siteName(this.context.shared.memory.buffer, this.peer, memory.read(header + 3));
      this.mismatch(data, messageText(opCode.send, count, type, theirTag, theirSite));
    }
    const width = data.BYTES_PER_ELEMENT;
    const total = count * width;
    let received = 0;
    while (received < total) {
      const written = memory.load(channelWord.written);
      const ready = (written - memory.read(channelWord.read)) | 0;
      if (ready === 0) {
        this.wait(channelWord.written, written);
        continue;
      }
      const { at, bytes } = this.place(Math.min(total - received, ready, this.limits.pieceBytes));
      memory.copyOut(at, data, received / width, bytes / width);
      this.add(channelWord.read, bytes);
      received += bytes;
    }
    this.messages++;
    this.add(channelWord.taken, 1);
    this.context.end();
  }
}
