// Computes the reference of preference optimization: forward passes over all pairs, by the weights that a run starts from.
import { dirname } from 'node:path';
import { saving } from '../checkpoint/out-files.ts';
import { writeReference } from '../checkpoint/reference-file.ts';
import type { Sequences } from '../data/sequences.ts';
import { coordsOf, groupOf, type Mesh, replicaOf, replicasOf, worldGroup } from '../mesh/mesh.ts';
import { trafficBytes } from '../mesh/traffic.ts';
import { addBytes, type BytesSent } from '../plan/predict-step.ts';
import type { Executor } from '../runtime/executor.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { fillMicrobatch } from '../step/fill-tokens.ts';
import type { CompletionsStep } from '../step/forward-step.ts';
import type { StepSettings } from '../step/settings.ts';
import type { Reference } from './job.ts';

/** Sequences of a pass of all replicas: those of a training step. */
const perPass = ({ layout, microBatch, microbatches }: StepSettings): number =>
  replicasOf(layout) * microBatch * microbatches;

/** Passes over so many sequences; in the last, places that are left over take the last sequence again. */
export const referencePasses = (settings: StepSettings, sequences: number): number =>
  Math.ceil(sequences / perPass(settings));

/** The sequences that a replica takes in a pass, in the order of its microbatches. */
export function passSequences(settings: StepSettings, sequences: number, pass: number, replica: number): number[] {
  const perRank = settings.microBatch * settings.microbatches;
  const first = pass * perPass(settings) + replica * perRank;
  return Array.from({ length: perRank }, (_, i) => Math.min(first + i, sequences - 1));
}

/** Ranks of these axes have sums of their own, or none; those of tp and cp have the same. */
const summedAxes = ['ep', 'dp', 'pp'] as const;

/** Log-probabilities that a pass of all replicas makes, in doubles. */
const numbersOf = (settings: StepSettings): number => perPass(settings) * settings.preference!.pairs * 2;

/** What a pass sends besides its program. */
export const referenceTalk = (settings: StepSettings): BytesSent =>
  summedAxes
    .filter((axis) => settings.layout[axis] > 1)
    .map((axis): BytesSent => {
      const bytes = trafficBytes('allReduce', 8 * numbersOf(settings), (settings.layout as Mesh)[axis]);
      return { [axis]: { allReduce: bytes } };
    })
    .reduce(addBytes, {});

interface Work {
  readonly settings: StepSettings;
  readonly reference: Reference;
  readonly sequences: Sequences;
  readonly step: CompletionsStep;
  readonly executor: Executor;
  /** After every pass. */
  readonly onPass: (done: number, passes: number) => void;
}

/** All ranks call it together; the first writes the file. */
export function computeReference(transport: Transport, work: Work): void {
  const { settings, reference, sequences, step, executor, onPass } = work;
  const { layout, microBatch } = settings;
  const own = replicaOf(layout, coordsOf(layout, transport.rank));
  const { count } = sequences.all;
  const { of } = executor.memory;
  const passes = referencePasses(settings, count);
  const all = transport.rank === 0 ? new Float64Array(2 * sequences.pairs) : undefined;
  const made = new Float64Array(numbersOf(settings));
  const perSequence = settings.preference!.pairs * 2;
  for (let pass = 0; pass < passes; pass++) {
    const mine = passSequences(settings, count, pass, own);
    made.fill(0);
    for (const [m, buffers] of step.tokens.entries())
      fillMicrobatch(of, buffers, settings, (row) => sequences.all.sequence(mine[m * microBatch + row]!));
    executor.run();
    for (const [m, sums] of step.completions.entries())
      made.set(of(sums), (own * mine.length + m * microBatch) * perSequence);
    for (const axis of summedAxes)
      if (layout[axis] > 1)
        transport.allReduce(groupOf(layout, transport.rank, axis), made, 'sum', 'reference log-probabilities');
    if (all)
      for (let replica = 0; replica < replicasOf(layout); replica++)
        for (const [i, index] of passSequences(settings, count, pass, replica).entries())
          for (const [k, pair] of Array.from(sequences.all.sequence(index).pairs!).entries()) {
            const from = (replica * mine.length + i) * perSequence + 2 * k;
            all.set(made.subarray(from, from + 2), 2 * pair);
          }
    onPass(pass + 1, passes);
  }
  if (all) saving(dirname(reference.path), 0, () => writeReference(reference.path, all, reference.notes));
  if (transport.size > 1) transport.barrier(worldGroup(layout), 'reference written');
}
