// ZeRO 1: how the parameters that ranks have updated come to the others, where one gather is not all of it.
import { withCopies } from '../../mesh/layout.ts';
import { paramSpecs } from '../../model/params.ts';
import { zeroOf } from '../../state/placement.ts';
import type { StageSummary } from '../summary/summary.ts';
import type { TrainingCosts } from './costs.ts';
import type { TrainingScenario } from './scenario.ts';

type Costs = Pick<TrainingCosts, 'talk' | 'parameters'>;

/** Seconds that it takes more than gathers do. */
export function updatedSeconds(summary: StageSummary, scenario: TrainingScenario, costs: Costs): number {
  const { layout, software } = scenario;
  if (zeroOf(layout) !== 1 || software.updated === 'gathered') return 0;
  const tensors = tensorsOf(summary, scenario);
  return software.updated === 'copied'
    ? copySeconds(tensors, scenario, costs)
    : broadcastSeconds(tensors, summary, costs);
}

function tensorsOf({ chunks }: StageSummary, { config, layout }: TrainingScenario): number {
  const parts = chunks.flatMap(({ parts }) => parts);
  return parts.reduce((sum, { part, count }) => sum + count * paramSpecs(config, layout, part).length, 0);
}

/** The host launches a copy of every rank's part of every tensor into its place: they are short, and have neither modules nor gradients. */
const copySeconds = (tensors: number, { layout }: TrainingScenario, { parameters }: Costs): number =>
  tensors * withCopies(layout).dp * layout.cp * parameters.launchSeconds.compiled;

/** As many broadcasts as ranks that have tensors, each of them through all ranks, in place of one gather. */
function broadcastSeconds(tensors: number, { once }: StageSummary, { talk }: Costs): number {
  let seconds = 0;
  for (const gather of once.talk) {
    if (gather.call !== 'allGather') continue;
    const owners = Math.min(gather.ranks, tensors);
    const bytes = (gather.bytes * gather.ranks) / owners;
    seconds +=
      gather.count * Math.max(0, owners * talk({ axis: gather.axis, call: 'broadcast', bytes }) - talk(gather));
  }
  return seconds;
}
