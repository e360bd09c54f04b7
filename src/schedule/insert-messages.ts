// Inserts the messages into what the stages compute: a send right after the work that makes its data, a receive as late as it can be.
import { type Action, type Message, mostVirtualStages, neighbour, type Placement, type Work } from './schedule.ts';

/**
 * The messages of one pair of stages are received in the order in which they are sent. So one that is needed after a message sent
 * later is received before that one, and waits in a buffer. Of two works side by side both have what they need before the first, and send
 * after the second.
 */
export function insertMessages(work: readonly (readonly Work[])[], placement: Placement): Action[][] {
  const sent = work.map((list, stage) => list.map((each) => sendAfter(each, stage, placement)));
  const arriving = arrivals(sent, placement);
  return work.map((list, stage) => {
    const before = receivesBefore(list, arriving[stage]!);
    return list.flatMap((each, index) => {
      const isFirst = each.beside && each.kind === 'forward';
      const sends = isFirst ? [] : each.beside ? [sent[stage]![index - 1], sent[stage]![index]] : [sent[stage]![index]];
      return [...(before.get(index) ?? []), each, ...sends.filter((send) => send !== undefined)];
    });
  });
}

/** What one work sends, if the next virtual stage (of an activation) or the one before (of a gradient) is there. */
function sendAfter({ kind, microbatch, chunk }: Work, stage: number, placement: Placement): Message | undefined {
  if (kind === 'weightGradient') return undefined;
  const other = neighbour(placement, { stage, chunk }, kind === 'forward' ? 1 : -1);
  if (typeof other === 'string') return undefined;
  const what = kind === 'forward' ? 'activation' : 'gradient';
  return { kind: 'send', what, microbatch, chunk, stage: other.stage };
}

/** For each stage and each stage that sends to it: the other ends of its messages, in their order. */
function arrivals(sent: readonly (readonly (Message | undefined)[])[], placement: Placement): Map<number, Message[]>[] {
  const arriving = sent.map(() => new Map<number, Message[]>());
  for (const [from, list] of sent.entries())
    for (const send of list) {
      if (!send) continue;
      const inbox = arriving[send.stage]!;
      if (!inbox.has(from)) inbox.set(from, []);
      inbox.get(from)!.push(received(send, from, placement));
    }
  return arriving;
}

/** What a stage receives, by the index of the work that it comes before. */
function receivesBefore(
  work: readonly Work[],
  arriving: ReadonlyMap<number, readonly Message[]>,
): Map<number, Message[]> {
  const needed = new Map(
    work.map((each, index) => [needs(each), each.beside && each.kind === 'backward' ? index - 1 : index]),
  );
  const before = new Map<number, Message[]>();
  for (const messages of arriving.values()) {
    // From the last one back: none is received after one that was sent later. What nobody needs is for `verify` to refuse.
    const at: number[] = [];
    let latest = work.length;
    for (const message of messages.toReversed()) {
      latest = Math.min(latest, needed.get(keyOf(message)) ?? latest);
      at.push(latest);
    }
    at.reverse();
    for (const [i, message] of messages.entries()) {
      if (!before.has(at[i]!)) before.set(at[i]!, []);
      before.get(at[i]!)!.push(message);
    }
  }
  return before;
}

/** The other end of a message that is sent. */
function received({ what, microbatch, chunk }: Message, from: number, placement: Placement): Message {
  const to = neighbour(placement, { stage: from, chunk }, what === 'activation' ? 1 : -1) as { chunk: number };
  return { kind: 'recv', what, microbatch, chunk: to.chunk, stage: from };
}

/** Of what is received: a number, as schedules are long. */
const keyOf = ({ what, microbatch, chunk }: Pick<Message, 'what' | 'microbatch' | 'chunk'>): number =>
  (microbatch * mostVirtualStages + chunk) * 2 + (what === 'gradient' ? 1 : 0);

/** The key of what a work needs from elsewhere; of nothing, one that no message has. */
function needs({ kind, microbatch, chunk }: Work): number {
  if (kind === 'weightGradient') return -1;
  return keyOf({ what: kind === 'forward' ? 'activation' : 'gradient', microbatch, chunk });
}
