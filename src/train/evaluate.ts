// The loss on held-out sequences, measured on the way: a forward pass over the weights that are being trained.
import type { Sequences } from '../data/sequences.ts';
import { coordsOf, groupOf, type Mesh } from '../mesh/mesh.ts';
import type { Executor } from '../runtime/executor.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import type { LossStep, WindowSettings } from '../step/forward-step.ts';

/** The held-out sequences that are measured: the same for every layout. */
export interface Evaluation {
  readonly sequences: number;
  /** Of a forward pass. */
  readonly batch: number;
}

/** Measured sequences are a multiple of this, so that they go through several at a time. */
const together = 4;

/** Of so many held-out sequences, how many are measured, in batches of what size. */
export function planEvaluation(heldOut: number, most: number, microBatch: number): Evaluation {
  const wanted = Math.min(heldOut, most);
  const sequences = wanted < together ? wanted : wanted - (wanted % together);
  const batches = [4, 2, 1].filter((size) => size <= Math.max(1, microBatch) && sequences % size === 0);
  return { sequences, batch: batches[0]! };
}

/** Forward passes of every rank: replicas take turns, and one without a batch of its own passes its last again, uncounted. */
export const passesOf = ({ sequences, batch }: Evaluation, { dp }: Pick<Mesh, 'dp'>): number =>
  Math.ceil(sequences / batch / dp);

/** The mean loss of a token, in nats, on every rank. */
export function evaluate(
  transport: Transport,
  { step, executor }: { readonly step: LossStep; readonly executor: Executor },
  { layout, seqLen }: WindowSettings,
  evaluation: Evaluation,
  held: Sequences['validation'],
): number {
  const { batch, sequences } = evaluation;
  const coords = coordsOf(layout, transport.rank);
  const batches = sequences / batch;
  const memory = executor.memory;
  const sum = new Float64Array(1);
  for (let pass = 0; pass < passesOf(evaluation, layout); pass++) {
    const mine = pass * layout.dp + coords.dp;
    const first = Math.min(mine, batches - 1) * batch;
    for (let row = 0; row < batch; row++) {
      const { inputs, targets } = held.sequence(first + row);
      if (step.ids !== undefined) (memory.of(step.ids) as Int32Array).set(inputs, row * seqLen);
      if (step.targets !== undefined) (memory.of(step.targets) as Int32Array).set(targets, row * seqLen);
    }
    if (step.loss !== undefined) memory.of(step.loss).fill(0);
    executor.run();
    if (step.loss !== undefined && mine < batches) sum[0]! += memory.of(step.loss)[0]!;
  }
  // Of each replica, the last stage has the sum; the others add nothing.
  for (const axis of ['dp', 'pp'] as const)
    if (layout[axis] > 1) transport.allReduce(groupOf(layout, transport.rank, axis), sum, 'sum', 'held-out loss');
  return sum[0]! / (sequences * seqLen);
}
