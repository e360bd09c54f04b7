// What there would be with nothing on the hosts, where the best of a search has something there: few programs can do that.
import { formatPercent } from '../../units.ts';
import type { ObjectiveName } from '../search/objective.ts';
import { type Found, type Searching, searchLayouts } from '../search/search.ts';
import type { SearchTask } from '../search/task.ts';
import type { CostModel } from '../training/costs.ts';
import { isOffloaded, layoutName, noOffload } from '../training/offload.ts';
import { worseText } from './because.ts';

/** In a sentence; empty where nothing is there, or was asked for. */
export function* withoutHosts(
  task: SearchTask,
  best: Found,
  objective: ObjectiveName,
  model: CostModel,
): Generator<Searching, string, void> {
  const { offload } = best.scenario;
  if (task.offload || !offload || !isOffloaded(offload)) return '';
  const { found } = yield* searchLayouts({ ...task, offload: noOffload }, model, { objective, top: 1 });
  const [other] = found;
  if (!other) return 'With nothing on the hosts (--offload none) no layout fits.';
  const worse = worseText[objective](formatPercent(other.value / best.value - 1));
  return `With nothing on the hosts (--offload none) the best is ${layoutName(other.scenario)} with microbatches of ${other.scenario.microBatch}, which ${worse}.`;
}
