// What a rank says in a layer's microbatch at least, known without tracing it: sums over tp, keys and values over cp, and what ZeRO shares out.
import type { Zero } from '../../mesh/layout.ts';
import { dataAxes, groupAxis } from '../../mesh/mesh.ts';
import type { CollectiveOp } from '../../mesh/traffic.ts';
import { kvSharded } from '../../model/block-params.ts';
import { formatBytes } from '../hardware/number-format.ts';
import type { CountedTalk } from '../summary/summary.ts';
import { widthsOf } from '../training/scenario.ts';
import type { PartElements } from './least-memory.ts';
import { tokensOf } from './least-products.ts';
import { type Kind, kindLayout, type SearchTask, type SharedGrid } from './task.ts';

export interface LeastTalk {
  readonly forward: readonly CountedTalk[];
  readonly backward: readonly CountedTalk[];
}

const talk = (axis: CountedTalk['axis'], ranks: number, call: CollectiveOp, bytes: number, count: number) =>
  ({ axis, ranks, call, bytes, count, site: '' }) satisfies CountedTalk;

/** Over axes of the model. */
export function layerTalk(task: SearchTask, kind: Kind): LeastTalk {
  const { config, formats } = task;
  const { tp, sp, cp, cpMode } = kind;
  const width = formatBytes[formats.activations];
  const numbers = tokensOf(task, kind);
  const [forward, backward]: [CountedTalk[], CountedTalk[]] = [[], []];
  if (tp > 1) {
    const bytes = numbers * config.hiddenSize * width;
    const sums = sp
      ? [talk('tp', tp, 'allGather', bytes / tp, 2), talk('tp', tp, 'reduceScatter', bytes, 2)]
      : [talk('tp', tp, 'allReduce', bytes, 2)];
    forward.push(...sums);
    backward.push(...sums);
  }
  if (cp > 1 && !config.latent) {
    // What a rank has of keys, and as much of values.
    const kvHeads = kvSharded(config, kindLayout(kind)) ? config.kvHeads / tp : 1;
    const keys = numbers * kvHeads * config.headDim * width;
    const queries = (numbers * config.heads * config.headDim * width) / tp;
    if (cpMode === 'ring') {
      forward.push(talk('cp', cp, 'ringShift', keys, 2 * (cp - 1)));
      backward.push(talk('cp', cp, 'ringShift', keys, 4 * (cp - 1)));
    } else if (cpMode === 'gather') {
      forward.push(talk('cp', cp, 'allGather', keys, 2));
      backward.push(talk('cp', cp, 'allGather', keys, 2), talk('cp', cp, 'reduceScatter', keys * cp, 2));
    } else {
      forward.push(talk('cp', cp, 'allToAll', queries, 2));
      backward.push(talk('cp', cp, 'allToAll', queries, 2));
    }
  }
  return { forward, backward };
}

/** Numbers that are shared out, and the data axes over which they are. */
function* overData(grid: SharedGrid, { own, experts }: PartElements) {
  const sizes = { ...grid.kind, dp: grid.dp };
  for (const [numbers, among] of [
    [own, dataAxes],
    [experts, dataAxes.filter((axis) => axis !== 'ep')],
  ] as const) {
    const along = among.filter((axis) => sizes[axis] > 1);
    const ranks = along.reduce((product, axis) => product * sizes[axis], 1);
    if (ranks > 1 && numbers > 0) yield { numbers, ranks, axis: groupAxis(along) };
  }
}

/** Of a microbatch: parameters are gathered for both passes, gradients scattered. */
export function sharedTalk({ formats }: SearchTask, grid: SharedGrid, elements: PartElements): LeastTalk {
  const { parameters, gradients } = widthsOf(formats);
  const [forward, backward]: [CountedTalk[], CountedTalk[]] = [[], []];
  for (const { numbers, ranks, axis } of overData(grid, elements)) {
    if (grid.sharing === 3) {
      const gathered = talk(axis, ranks, 'allGather', (numbers * parameters) / ranks, 1);
      forward.push(gathered);
      backward.push(gathered);
    }
    if (grid.sharing >= 2) backward.push(talk(axis, ranks, 'reduceScatter', numbers * gradients, 1));
  }
  return { forward, backward };
}

/** After the microbatches: gradients are summed or scattered, parameters gathered. */
export function finishingTalk(
  { formats }: SearchTask,
  grid: SharedGrid,
  zero: Zero,
  elements: PartElements,
): CountedTalk[] {
  const { parameters, gradients } = widthsOf(formats);
  return [...overData(grid, elements)].flatMap(({ numbers, ranks, axis }) => [
    ...(zero === 0 ? [talk(axis, ranks, 'allReduce', numbers * gradients, 1)] : []),
    ...(zero === 1 ? [talk(axis, ranks, 'reduceScatter', numbers * gradients, 1)] : []),
    ...(zero === 1 || zero === 2 ? [talk(axis, ranks, 'allGather', (numbers * parameters) / ranks, 1)] : []),
  ]);
}
