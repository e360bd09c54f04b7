// The training rank in a thread whose garbage is collected before the run and after every step: what V8 then counts is held.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Piece, Transport } from '../src/runtime/transport/transport.ts';
import type { RankResult, TrainReport } from '../src/train/job.ts';
import { rank as trainRank } from '../src/train/rank.ts';

export interface AuditResult extends RankResult {
  /** Most bytes held at the end of a step over those before the run: array buffers, as V8 counts them, and registered memory. */
  readonly heldBytes: number;
  /** Of every step: the share of slots that no expert took; nothing without a capacity. */
  readonly dropped: readonly number[];
  /** Of activations: what was allocated, and what of it the first step wrote to. */
  readonly arena: { readonly bytes: number; readonly writtenBytes: number };
  /** Every all-to-all whose rows are counted at run time, in order: rows that came, and bytes that went to others. */
  readonly exchanges: readonly { readonly received: number; readonly sentBytes: number }[];
}

/** Not a number in either precision, so that a step that read any of it would lose its loss. */
const unwritten = 0xffffffff;
const wordsOf = ({ buffer, byteOffset, byteLength }: Piece) => new Uint32Array(buffer, byteOffset, byteLength / 4);

export async function rank(
  transport: Transport,
  job: unknown,
  report: (message: TrainReport) => void,
): Promise<AuditResult> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = (): number => {
    // The first collection sweeps in the background; the next one waits for it.
    for (let i = 0; i < 2; i++) collect();
    return process.memoryUsage().arrayBuffers;
  };
  const before = held();
  let [heldBytes, registered, writtenBytes] = [0, 0, 0];
  /** What is allocated last: the arena. */
  let arena: Uint32Array = new Uint32Array();
  const dropped: number[] = [];
  const { allocate } = transport;
  transport.allocate = (bytes) => {
    registered += bytes;
    const memory = allocate.call(transport, bytes);
    arena = wordsOf(memory);
    return memory;
  };
  const exchanges: { received: number; sentBytes: number }[] = [];
  const { allToAllV } = transport;
  transport.allToAllV = (group, rows, site) => {
    const { input, sent, received, width } = rows;
    const count = (counts: Int32Array) => counts.reduce((sum, each) => sum + each, 0);
    const toOthers = count(sent) - sent[group.ranks.indexOf(transport.rank)]!;
    exchanges.push({ received: count(received), sentBytes: toOthers * width * input.BYTES_PER_ELEMENT });
    allToAllV.call(transport, group, rows, site);
  };
  const result = await trainRank(transport, job, (message) => {
    if (message.kind === 'ready') arena.fill(unwritten);
    if (message.kind === 'step') {
      if (message.figures?.dropped !== undefined) dropped.push(message.figures.dropped);
      heldBytes = Math.max(heldBytes, registered + held() - before);
      if (message.step === 1) writtenBytes = 4 * arena.reduce((sum, word) => sum + (word === unwritten ? 0 : 1), 0);
    }
    report(message);
  });
  return { ...result, heldBytes, dropped, arena: { bytes: arena.byteLength, writtenBytes }, exchanges };
}
