// Seconds that a layer's sums over tp take of a microbatch beyond what kernels hide: in proportion to the talk, whatever else the layer does.
import { type CostModel, trainingCosts } from '../training/costs.ts';
import { noSums, shownSeconds, withTalk } from '../training/run-seconds.ts';
import { tokensOf } from './least-products.ts';
import { layerTalk } from './least-talk.ts';
import { type Kind, kindLayout, type SearchTask } from './task.ts';

export interface TensorSeconds {
  readonly forward: number;
  /** With what is computed anew. */
  readonly backward: number;
}

/** Of any kind, each computed once; every layer has as much. */
export function tensorSeconds(task: SearchTask, model: CostModel): (kind: Kind) => TensorSeconds {
  const { software } = task;
  const known = new Map<string, TensorSeconds>();
  const make = (kind: Kind): TensorSeconds => {
    const layout = kindLayout(kind);
    const costs = trainingCosts({ ...task, layout, microBatch: kind.microBatch, microbatches: 1 }, model);
    const talk = layerTalk(task, kind, 0);
    const seconds = (work: keyof TensorSeconds): number => {
      const said = talk[work].filter(({ axis }) => axis === 'tp');
      const shown = shownSeconds(withTalk(noSums, said, costs, software), costs.parameters, software);
      return shown.tp + shown.compute;
    };
    return { forward: seconds('forward'), backward: seconds('backward') };
  };
  return (kind) => {
    // Gathers tensor by tensor make other talk quicker, where parameters are shared out.
    if (kind.tp === 1 || software.gathersTensors) return noTalk;
    const key = `${kind.tp} ${kind.sp} ${tokensOf(task, kind)} ${kind.recompute === 'full'}`;
    const found = known.get(key) ?? make(kind);
    known.set(key, found);
    return found;
  };
}

export const noTalk: TensorSeconds = { forward: 0, backward: 0 };
