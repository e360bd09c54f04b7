// Seconds of kernels and of calls between ranks on a machine that was measured, and what ranks lose that wait for each other.
import type { KernelShape } from '../../../program/kernel-shape.ts';
import type { MeasuredKernels, MeasuredMachine, MeasuredTalk } from '../../hardware/measured-machine.ts';
import type { GroupTalk, Meetings } from '../cost-model.ts';
import { memoryAmounts, productAmounts, productName } from './amounts.ts';
import { costed } from './non-negative-fit.ts';

export function measuredKernelSeconds(kernel: KernelShape, { products, memory, others }: MeasuredKernels): number {
  if (kernel.kind !== 'memory') return costed(productAmounts(kernel), products[productName(kernel)]);
  const known = kernel.op !== undefined && Object.hasOwn(memory, kernel.op) ? memory[kernel.op]! : others;
  return costed(memoryAmounts(kernel), known);
}

/** Of a group: as of the next larger that was measured, or the largest. */
export function measuredTalkSeconds({ call, bytes, spread }: GroupTalk, talk: readonly MeasuredTalk[]): number {
  const ranks = spread.reduce((product, each) => product * each, 1);
  if (ranks === 1 || bytes === 0) return 0;
  const measured = talk.find((each) => each.ranks >= ranks) ?? talk.at(-1);
  return measured ? between(measured.seconds[call], bytes) : 0;
}

/** What is further apart than was measured is as the furthest. While a rank works, as many of the others idle as on average; kernels take no less than they cost. */
export const measuredPace = (
  { secondsBetween, idle }: Meetings,
  { pace, turns }: Pick<MeasuredMachine, 'pace' | 'turns'>,
): number => Math.max(1, (1 - idle * (1 - turns)) * between(pace, Math.min(secondsBetween, pace.at(-1)![0])));

/** On a line from each measured place to the next; what lies behind goes on as the last two. */
function between(known: readonly (readonly [number, number])[], asked: number): number {
  const [[fewest, least]] = known as [readonly [number, number]];
  if (asked <= fewest) return least;
  const next = known.findIndex(([each]) => each >= asked);
  const at = next < 0 ? known.length - 1 : next;
  const [[from, start], [to, end]] = [known[at - 1]!, known[at]!];
  return start + ((asked - from) / (to - from)) * (end - start);
}
