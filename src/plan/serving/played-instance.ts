// An instance whose iterations are played one after the other: which requests wait, are read and are written.
import { type Batch, ofRank, writingBatch } from './batch.ts';
import type { EnginePolicy } from './engines.ts';
import type { Iterate } from './iteration.ts';

/** A request and what became of it; seconds from the start. */
export interface PlayedRequest {
  readonly arrival: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  firstToken: number;
  end: number;
}

export interface PlayedSetting {
  readonly iterate: Iterate;
  readonly policy: EnginePolicy;
  readonly ranks: number;
  /** Tokens that its cache holds. */
  readonly cacheTokens: number;
  /** Prompts are read here; tokens after the first are written here. */
  readonly reads: boolean;
  readonly writes: boolean;
  /** Of an iteration: tokens that a request goes through, those it gains, and what drafting costs as a share. */
  readonly queries: number;
  readonly gained: number;
  readonly draftShare: number;
}

interface Reading {
  readonly request: PlayedRequest;
  left: number;
}

interface Writing {
  readonly request: PlayedRequest;
  /** The count of tokens, of {@link PlayedInstance.written}, at which it is done. */
  readonly doneAt: number;
}

/** What has happened when an iteration is over. */
export interface Played {
  readonly seconds: number;
  /** Requests that have their first token and are written elsewhere. */
  readonly read: readonly PlayedRequest[];
  readonly done: readonly PlayedRequest[];
}

export class PlayedInstance {
  /** When the iteration that runs is over, or the last one was. */
  clock = 0;
  private readonly setting: PlayedSetting;
  private readonly waiting: PlayedRequest[] = [];
  private reading: Reading[] = [];
  /** Those that are done first come last. */
  private writing: Writing[] = [];
  /** Tokens that a request has gained which has been written from the start. */
  private written = 0;
  /** Tokens of context of all that are written, less `written` for each. */
  private context = 0;
  private held = 0;
  /** Iterations for which a prompt has waited for others to be read with. */
  private gathered = 0;

  constructor(setting: PlayedSetting) {
    this.setting = setting;
  }

  get requests(): number {
    return this.waiting.length + this.reading.length + this.writing.length;
  }

  add(request: PlayedRequest, at: number): void {
    if (this.requests === 0) this.clock = Math.max(this.clock, at);
    this.waiting.push(request);
  }

  /** Of its context, what a request holds: all it will have, or half of what it is still to be given, as on average. */
  private holds({ inputTokens, outputTokens }: PlayedRequest): number {
    if (!this.setting.writes) return inputTokens;
    return inputTokens + (this.setting.policy.reservesAll ? outputTokens : outputTokens / 2);
  }

  private admit(): void {
    const { policy, ranks, cacheTokens, reads } = this.setting;
    while (this.waiting.length > 0) {
      const request = this.waiting[0]!;
      const holds = this.holds(request);
      const running = this.reading.length + this.writing.length;
      if (running >= policy.maxRunning * ranks) return;
      if (running > 0 && this.held + holds > cacheTokens) return;
      this.waiting.shift();
      this.held += holds;
      if (reads) this.reading.push({ request, left: request.inputTokens });
      else this.write(request);
    }
  }

  private write(request: PlayedRequest): void {
    const doneAt = this.written + request.outputTokens - 1;
    const place = this.writing.findIndex((each) => each.doneAt < doneAt);
    this.writing.splice(place < 0 ? this.writing.length : place, 0, { request, doneAt });
    this.context += request.inputTokens - this.written;
  }

  /** Plays the next iteration; without prompts, as many alike ones as pass before a request is done or `until`. */
  play(until: number): Played {
    this.admit();
    const { policy, gained, draftShare, iterate } = this.setting;
    const pieces = this.gathers() ? [] : this.nextPieces();
    if (pieces.length === 0) return this.writeOn(until);
    this.gathered = 0;
    const mixed = policy.mixes && this.writing.length > 0;
    const tokens = pieces.reduce((sum, { piece }) => sum + piece, 0);
    const before = pieces.reduce((sum, { of, piece }) => sum + (of.request.inputTokens - of.left) * piece, 0) / tokens;
    const batch: Batch = {
      ...(mixed ? this.writingBatch(0) : writingBatch(0, 0)),
      // Of the rank that has most: others wait for it.
      prompts: Math.ceil(pieces.length / this.setting.ranks),
      promptTokens: rounded(tokens / pieces.length),
      promptBefore: Math.round(before),
    };
    const seconds = iterate(batch).total * (mixed ? 1 + draftShare : 1);
    this.clock += seconds;
    for (const { of, piece } of pieces) of.left -= piece;
    if (mixed) this.written += gained;
    const read = this.reading.filter(({ left }) => left === 0).map(({ request }) => request);
    this.reading = this.reading.filter(({ left }) => left > 0);
    for (const request of read) request.firstToken = this.clock;
    const done = mixed ? this.takeDone() : [];
    if (this.setting.writes) for (const request of read) this.write(request);
    else for (const request of read) this.held -= this.holds(request);
    return { seconds, read: this.setting.writes ? [] : read, done: [...done, ...this.takeDone()] };
  }

  /** Ranks wait for more prompts, as long as there is something to write. */
  private gathers(): boolean {
    const { ranks, policy } = this.setting;
    const few = this.reading.length > 0 && this.reading.length < ranks && this.writing.length > 0;
    return few && this.gathered < policy.gathersPrompts;
  }

  /** Pieces of prompts that the next iteration takes, in the order in which they came. */
  private nextPieces(): { of: Reading; piece: number }[] {
    const { policy, ranks, queries } = this.setting;
    const written = policy.mixes ? this.writing.length * queries : 0;
    // Where prompts are read whole, every rank has room for one at least.
    const whole = policy.chunks ? 0 : (this.reading[0]?.left ?? 0);
    let room = Math.max(ranks, policy.promptTokens * ranks - written, whole * ranks);
    const pieces: { of: Reading; piece: number }[] = [];
    for (const of of this.reading) {
      const piece = policy.chunks ? Math.min(of.left, room) : of.left;
      if (piece <= 0 || (piece > room && pieces.length > 0)) break;
      pieces.push({ of, piece });
      room -= piece;
    }
    return pieces;
  }

  private writingBatch(ahead: number): Batch {
    const count = this.writing.length;
    const context = this.context / count + this.written + ahead;
    return writingBatch(rounded(ofRank(count, this.setting.ranks)), context, this.setting.queries);
  }

  private writeOn(until: number): Played {
    const { iterate, gained, draftShare } = this.setting;
    const last = this.writing.at(-1)!;
    const untilDone = Math.max(1, Math.ceil((last.doneAt - this.written) / gained));
    const untilRead = this.reading.length > 0 ? this.setting.policy.gathersPrompts - this.gathered : untilDone;
    const most = Math.min(untilDone, untilRead);
    // Contexts grow by as much in every iteration, and so do its seconds: the one in the middle stands for all.
    const seconds = iterate(this.writingBatch((most * gained) / 2)).total * (1 + draftShare);
    const count = Math.min(most, Math.max(1, Math.ceil((until - this.clock) / seconds)));
    this.clock += count * seconds;
    this.written += count * gained;
    if (this.reading.length > 0) this.gathered += count;
    return { seconds: count * seconds, read: [], done: this.takeDone() };
  }

  private takeDone(): PlayedRequest[] {
    const done: PlayedRequest[] = [];
    for (let last = this.writing.at(-1); last && last.doneAt <= this.written + 1e-9; last = this.writing.at(-1)) {
      this.writing.pop();
      last.request.end = this.clock;
      this.context -= last.request.inputTokens - (last.doneAt - last.request.outputTokens + 1);
      this.held -= this.holds(last.request);
      done.push(last.request);
    }
    if (this.writing.length === 0) {
      this.written = 0;
      this.context = 0;
    }
    return done;
  }
}

/** From 64 on to a part in 32 to 64, so that iterations which differ by less are worked out once. */
function rounded(tokens: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(tokens)) - 5);
  return Math.max(1, Math.round(tokens / step) * step);
}
