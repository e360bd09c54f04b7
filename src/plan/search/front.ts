// Time against memory: the fastest layout of all, then the fastest of those that hold less, and so on.
import type { Device } from '../hardware/device.ts';
import { withMemory } from '../hardware/kinds.ts';
import type { CostModel } from '../training/costs.ts';
import { usableBytes } from '../training/fits.ts';
import { type Found, type Searching, searchLayouts } from './search.ts';
import type { SearchTask } from './task.ts';

/** Each holds so much of the one before it at most: finer steps take more searches than they show. */
const less = 0.7;
const mostSearches = 6;

/** `fastest`: those that a search for the time of a step has found already. Stops where the search does. */
export function* searchFront(
  task: SearchTask,
  model: CostModel,
  fastest: readonly Found[],
): Generator<Searching, Found[], void> {
  const front = [...fastest];
  while (front.length < mostSearches) {
    const last = front.at(-1)?.prediction.memory.total;
    const limit = last === undefined ? Number.POSITIVE_INFINITY : less * last;
    const { found } = yield* searchLayouts(withUsable(task, limit), model, { objective: 'time', top: 1 });
    if (!found[0]) break;
    front.push(found[0]);
  }
  return front.map((each) => ({ ...each, scenario: { ...each.scenario, cluster: task.cluster } }));
}

/** The same devices with no more memory to use than that. */
function withUsable(task: SearchTask, bytes: number): SearchTask {
  const limited = (device: Device): number =>
    Math.min(bytes, usableBytes(device)) + (device.memoryBytes - usableBytes(device));
  return { ...task, cluster: withMemory(task.cluster, limited) };
}
