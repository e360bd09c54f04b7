// What an instance does that only reads prompts, or only writes, if it never waits for the other: no pools apart do more.
import { promptBatch } from '../serving/batch.ts';
import type { Deployed } from '../serving/deployed.ts';
import { devicesOf } from '../serving/instance.ts';
import type { ServingLayout } from '../serving/scenario.ts';
import { closedLoop } from '../serving/steady-state.ts';
import type { DeployFor } from './instances.ts';
import type { ServingTask } from './task.ts';

export interface Half {
  readonly layout: ServingLayout;
  readonly devices: number;
  /** Of a prompt, or between two tokens of a request that is written alone. */
  readonly leastSeconds: number;
  /** Within the target, at most. */
  readonly requestsPerSecond: number;
}

/** Undefined: it has no room for a request, or is too slow for its target even alone. */
export interface Halves {
  readonly reader?: Half;
  readonly writer?: Half;
}

export function halvesOf(task: ServingTask, layout: ServingLayout, deployFor: DeployFor): Halves {
  const pool = { layout, instances: 1 };
  const deployment = { kind: 'disaggregated', prefill: pool, decode: pool } as const;
  const deployed = deployFor(deployment);
  if (deployed.writers.instance.room === 0) return {};
  const [reader, writer] = [readerOf(task, deployed), writerOf(task, deployed)];
  return { ...(reader && { reader }), ...(writer && { writer }) };
}

function readerOf({ targets }: ServingTask, { readers, steady, lengths }: Deployed): Half | undefined {
  const { instance } = readers!;
  const { layout } = instance;
  const leastSeconds = instance.iterate(promptBatch(1, lengths.inputTokens)).total;
  if (leastSeconds + steady.answerSeconds > targets.secondsToFirstToken) return undefined;
  return { layout, devices: devicesOf(layout), leastSeconds, requestsPerSecond: layout.dp / leastSeconds };
}

function writerOf({ targets }: ServingTask, { writers, steady, mostWritten }: Deployed): Half | undefined {
  const { layout } = writers.instance;
  const at = (requests: number) => closedLoop({ ...steady, reads: false }, requests);
  const alone = at(1);
  if (alone.secondsPerOutputToken > targets.secondsPerOutputToken) return undefined;
  let [most, tooMany] = [1, mostWritten + 1];
  for (let next = Math.min(2, mostWritten); next < tooMany && next > most; ) {
    if (at(next).secondsPerOutputToken <= targets.secondsPerOutputToken) most = next;
    else tooMany = next;
    next = tooMany > mostWritten ? Math.min(2 * most, mostWritten) : Math.floor((most + tooMany) / 2);
  }
  // Between whole requests there is a little more.
  const { requestsPerSecond } = at(Math.min(most + 1, mostWritten));
  return { layout, devices: devicesOf(layout), leastSeconds: alone.secondsPerOutputToken, requestsPerSecond };
}

/** Without those that another of as many devices is better than in all that counts. */
export function unbeatenReaders(readers: readonly Half[]): Half[] {
  const sorted = readers.toSorted(
    (a, b) => a.leastSeconds - b.leastSeconds || b.requestsPerSecond - a.requestsPerSecond,
  );
  const most = new Map<number, number>();
  return sorted.filter(({ devices, requestsPerSecond }) => {
    const isMore = requestsPerSecond > (most.get(devices) ?? 0);
    if (isMore) most.set(devices, requestsPerSecond);
    return isMore;
  });
}

/** Of as many devices the one that writes most. */
export function mostWriting(writers: readonly Half[]): Half[] {
  const best = new Map<number, Half>();
  for (const each of writers)
    if (each.requestsPerSecond > (best.get(each.devices)?.requestsPerSecond ?? 0)) best.set(each.devices, each);
  return [...best.values()];
}
