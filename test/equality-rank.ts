// A rank that trains a few steps and hands back every shard: its gradients after each step, and its weights at the end.
import { openCheckpoint } from '../src/checkpoint/hf-directory.ts';
import { readShard } from '../src/checkpoint/shards.ts';
import { type Coords, coordsOf } from '../src/mesh/mesh.ts';
import { type ParamSpec, shardRanges } from '../src/model/params.ts';
import { createExecutor, type Executor } from '../src/runtime/executor.ts';
import type { Floats } from '../src/runtime/kernels/local-kernels.ts';
import { connectThreads } from '../src/runtime/transport/threads/connect.ts';
import type { ThreadsShared } from '../src/runtime/transport/threads/world-state.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';
import type { StepSettings } from '../src/step/settings.ts';
import type { TrainingStep } from '../src/step/step.ts';
import { buildTrainingStep } from '../src/step/training-step.ts';
import { type OptimizerSettings, updateParams } from '../src/train/optimizer.ts';
import { lateAllReduce } from './races/late-all-reduce.ts';
import { delaying, delays } from './races/paces.ts';

export interface HeldUp {
  readonly shared: ThreadsShared;
  readonly seed: number;
  /** Accesses from one delay to the next, on average. */
  readonly every: number;
  /** With the all-reduce that lets go of its output too early: what the delays are there to show. */
  readonly late: boolean;
}

export interface EqualityJob {
  readonly settings: StepSettings;
  readonly optimizer: OptimizerSettings;
  readonly steps: number;
  /** Sequences of seqLen + 1 token ids; step after step takes the next ones and starts over at the end. */
  readonly sequences: readonly (readonly number[])[];
  /** Ranks talk over this memory and are held up at random points, in place of the world's own. */
  readonly heldUp?: HeldUp;
  /** A checkpoint; undefined: numbers made from names and indices. */
  readonly weights?: string;
}

/** A rank's part of a parameter; numbers are those of `ranges`, the rows that pad a vocabulary left out. */
export interface Shard {
  readonly name: string;
  readonly shape: readonly number[];
  readonly ranges: readonly (readonly [number, number])[];
  /** One a step: finished, before clipping. */
  readonly gradients: readonly Float64Array[];
  readonly weight: Float64Array;
  /** Largest size of a padding row's weights and gradients after the last step; they must stay zero. */
  readonly padding: number;
}

export interface EqualityResult {
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  readonly shards: readonly Shard[];
}

export async function rank(own: Transport, job: unknown): Promise<EqualityResult> {
  const { heldUp } = job as EqualityJob;
  if (!heldUp) return equalityRank(own, job as EqualityJob);
  const transport = connectThreads(heldUp.shared, own.rank, {
    ...delaying(delays(heldUp.seed * 100 + own.rank, heldUp.every)),
    ...(heldUp.late ? { collectives: { allReduce: lateAllReduce } } : {}),
  });
  const result = await equalityRank(transport, job as EqualityJob);
  transport.close();
  return result;
}

async function equalityRank(transport: Transport, job: EqualityJob): Promise<EqualityResult> {
  const { settings, optimizer, steps } = job;
  const { layout } = settings;
  const coords = coordsOf(layout, transport.rank);
  const step = buildTrainingStep(settings, transport.rank);
  const executor = await createExecutor(step, { transport });
  const { memory } = executor;
  const floats = (id: number) => memory.of(id) as Floats;
  if (step.one !== undefined) memory.of(step.one)[0] = 1;
  const checkpoint = job.weights === undefined ? undefined : openCheckpoint(job.weights);
  for (const { spec, param } of step.params) {
    if (checkpoint) readShard(checkpoint, spec, floats(param), layout, coords);
    else fillByIndex(floats(param), spec, shardRanges(spec, layout, coords));
  }
  checkpoint?.close();

  const losses: number[] = [];
  const gradNorms: number[] = [];
  const gradients = step.params.map((): Float64Array[] => []);
  const stored = (spec: ParamSpec, id: number) => Float64Array.from(floats(id).subarray(0, countOf(spec, job, coords)));
  for (let number = 1; number <= steps; number++) {
    fillTokens(executor, step, job, coords, number);
    await executor.run((_, norm) => {
      gradNorms.push(Math.sqrt(norm[0]!));
      for (const [index, { spec, gradient }] of step.params.entries()) gradients[index]!.push(stored(spec, gradient));
      updateParams(step.params, memory, { step: number, norm: Math.sqrt(norm[0]!), settings: optimizer });
    });
    losses.push(memory.of(step.loss)[0]!);
  }
  const shards = step.params.map(
    ({ spec, param, gradient }, index): Shard => ({
      name: spec.name,
      shape: spec.shape,
      ranges: shardRanges(spec, layout, coords),
      gradients: gradients[index]!,
      weight: stored(spec, param),
      padding: [param, gradient]
        .flatMap((id) => [...floats(id).subarray(countOf(spec, job, coords))])
        .reduce((most, value) => Math.max(most, Math.abs(value)), 0),
    }),
  );
  await executor.dispose();
  return { losses, gradNorms, shards };
}

const countOf = (spec: ParamSpec, { settings }: EqualityJob, coords: Coords): number =>
  shardRanges(spec, settings.layout, coords).reduce((product, [start, end]) => product * (end - start), 1);

/**
 * Gains near one and everything else near zero, each number its own, from the parameter's name and its place in the whole: the
 * zeros and ones that training starts from would hide errors. Rows that pad a vocabulary stay zero.
 */
function fillByIndex(shard: Floats, spec: ParamSpec, ranges: readonly (readonly [number, number])[]): void {
  const [rows, columns] = ranges.length === 2 ? [ranges[0]!, ranges[1]!] : [[0, 1] as const, ranges[0]!];
  const width = spec.shape[spec.shape.length - 1]!;
  const centre = spec.initial === 'ones' ? 1 : 0;
  let at = 0;
  for (let row = rows[0]; row < rows[1]; row++)
    for (let column = columns[0]; column < columns[1]; column++)
      shard[at++] = centre + 0.6 * (hashed(spec.name, row * width + column) - 0.5);
}

/** A number in [0, 1) from a text and an index. */
function hashed(text: string, index: number): number {
  let hash = Math.imul(index + 1, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}

/** Deals a step's sequences to data-parallel ranks, then microbatches, in order. */
function fillTokens(
  { memory }: Executor,
  step: TrainingStep,
  { settings, sequences }: EqualityJob,
  coords: Coords,
  number: number,
): void {
  const { layout, microBatch, microbatches, seqLen } = settings;
  const perRank = microBatch * microbatches;
  const first = ((number - 1) * layout.dp + coords.dp) * perRank;
  for (let m = 0; m < microbatches; m++)
    for (let row = 0; row < microBatch; row++) {
      const sequence = sequences[(first + m * microBatch + row) % sequences.length]!;
      const [ids, targets] = [step.ids[m], step.targets[m]];
      for (let i = 0; i < seqLen; i++) {
        if (ids !== undefined) memory.of(ids)[row * seqLen + i] = sequence[i]!;
        if (targets !== undefined) memory.of(targets)[row * seqLen + i] = sequence[i + 1]!;
      }
    }
}
