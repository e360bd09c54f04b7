// What a rank says in a layer's microbatch at least, known without tracing it: sums over tp, keys and values over cp, rows to experts over ep, and what ZeRO shares out.
import type { Zero } from '../../mesh/layout.ts';
import { dataAxes, groupAxis } from '../../mesh/mesh.ts';
import type { CollectiveOp } from '../../mesh/traffic.ts';
import { kvSharded } from '../../model/block-params.ts';
import { mixtureOf } from '../../model/config.ts';
import type { PartName } from '../../model/params.ts';
import { formatBytes } from '../hardware/number-format.ts';
import type { CountedTalk } from '../summary/summary.ts';
import { widthsOf } from '../training/scenario.ts';
import { tokensOf } from './least-products.ts';
import type { PartElements } from './part-elements.ts';
import { copiesOf, type Kind, kindLayout, type SearchTask, type SharedGrid } from './task.ts';

export interface LeastTalk {
  readonly forward: readonly CountedTalk[];
  readonly backward: readonly CountedTalk[];
}

const talk = (axis: CountedTalk['axis'], ranks: number, call: CollectiveOp, bytes: number, count: number) =>
  ({ axis, ranks, call, bytes, count, site: '' }) satisfies CountedTalk;

/** Over axes of the model. What is computed anew as a whole is talked about anew, but for the sum of what the MLP makes: nobody reads it again. */
export function layerTalk(task: SearchTask, kind: Kind, layer: number): LeastTalk {
  const { config, formats } = task;
  const { tp, sp, cp, cpMode } = kind;
  const isFull = kind.recompute === 'full';
  const width = formatBytes[formats.activations];
  const numbers = tokensOf(task, kind);
  const [forward, backward]: [CountedTalk[], CountedTalk[]] = [[], []];
  if (tp > 1) {
    const bytes = numbers * config.hiddenSize * width;
    const sums = (again: 0 | 1) =>
      sp
        ? [talk('tp', tp, 'allGather', bytes / tp, 2 + 2 * again), talk('tp', tp, 'reduceScatter', bytes, 2 + again)]
        : [talk('tp', tp, 'allReduce', bytes, 2 + again)];
    forward.push(...sums(0));
    backward.push(...sums(isFull ? 1 : 0));
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
      // Fewer key-value heads than ranks come whole.
      const areCut = kvHeads % cp === 0;
      forward.push(talk('cp', cp, areCut ? 'allToAll' : 'allGather', keys, 2));
      backward.push(areCut ? talk('cp', cp, 'allToAll', keys, 2) : talk('cp', cp, 'reduceScatter', keys * cp, 2));
    }
    if (isFull) backward.push(...forward.filter(({ axis }) => axis === 'cp'));
  }
  const experts = expertTalk(task, kind, layer);
  return { forward: [...forward, ...experts.forward], backward: [...backward, ...experts.backward] };
}

/** Each token's row goes to its experts and back, both ways, with its weights and their numbers; anew, only there. */
function expertTalk({ config, formats, seqLen }: SearchTask, kind: Kind, layer: number): LeastTalk {
  const { ep } = kind;
  const mixture = mixtureOf(config, layer);
  if (!mixture || ep === 1) return { forward: [], backward: [] };
  const width = formatBytes[formats.activations];
  const chosen = tokensOf({ seqLen }, kind) * mixture.perToken;
  const rows = (count: number) => talk('ep', ep, 'allToAllV', chosen * config.hiddenSize * width, count);
  const weights = (count: number) => talk('ep', ep, 'allToAllV', chosen * width, count);
  const numbers = [talk('ep', ep, 'allToAll', 4 * ep, 1), talk('ep', ep, 'allToAllV', 4 * chosen, 1)];
  const forward = [rows(2), weights(1), ...numbers];
  return {
    forward,
    backward: kind.recompute === 'full' ? [rows(3), weights(2), ...numbers] : [rows(2), weights(1)],
  };
}

/** Of the embedding and the head over tp: what ranks look up adds up, and the head reads all and sums what it gives back. */
export function endTalk(task: SearchTask, kind: Kind, name: 'embedding' | 'head'): LeastTalk {
  const { tp, sp } = kind;
  if (tp === 1) return { forward: [], backward: [] };
  const bytes = tokensOf(task, kind) * task.config.hiddenSize * formatBytes[task.formats.activations];
  const gather = talk('tp', tp, 'allGather', bytes / tp, 1);
  const sum = sp ? talk('tp', tp, 'reduceScatter', bytes, 1) : talk('tp', tp, 'allReduce', bytes, 1);
  if (name === 'embedding') return { forward: [sum], backward: sp ? [gather] : [] };
  return { forward: [], backward: sp ? [gather, sum] : [sum] };
}

/** Numbers that are shared out, and the data axes over which they are. */
function* overData(grid: SharedGrid, { own, experts }: PartElements) {
  const sizes = { ...grid.kind, dp: copiesOf(grid) };
  // What goes over the same axes goes together.
  const isApart = grid.kind.ep > 1;
  for (const [numbers, among] of [
    [isApart ? own : own + experts, dataAxes],
    [isApart ? experts : 0, dataAxes.filter((axis) => axis !== 'ep')],
  ] as const) {
    const along = among.filter((axis) => sizes[axis] > 1);
    const ranks = along.reduce((product, axis) => product * sizes[axis], 1);
    if (ranks > 1 && numbers > 0) yield { numbers, ranks, axis: groupAxis(along) };
  }
}

/** Of a part's microbatch: gradients are scattered, and parameters gathered for both passes, but for the head, which has one. */
export function sharedTalk(
  { formats }: SearchTask,
  grid: SharedGrid,
  name: PartName,
  elements: PartElements,
): LeastTalk {
  const { parameters, gradients } = widthsOf(formats);
  const [forward, backward]: [CountedTalk[], CountedTalk[]] = [[], []];
  for (const { numbers, ranks, axis } of overData(grid, elements)) {
    if (grid.sharing === 3) {
      const gathered = talk(axis, ranks, 'allGather', (numbers * parameters) / ranks, 1);
      if (name !== 'head') forward.push(gathered);
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
