// A rank that trains a few steps and hands back every shard: its gradients after each step, and its weights at the end.
import { heldNumbers } from '../src/checkpoint/held-numbers.ts';
import { openCheckpoint } from '../src/checkpoint/hf-directory.ts';
import { forEachRun } from '../src/checkpoint/ranges.ts';
import { readWeights } from '../src/checkpoint/weights.ts';
import type { Sequence } from '../src/data/sequences.ts';
import type { Layout } from '../src/mesh/layout.ts';
import { type Coords, coordsOf } from '../src/mesh/mesh.ts';
import type { ParamSpec } from '../src/model/params.ts';
import { createExecutor } from '../src/runtime/executor.ts';
import type { Floats } from '../src/runtime/kernels/local-kernels.ts';
import { allocateMemory, type StateMemory } from '../src/runtime/memory.ts';
import { connectThreads } from '../src/runtime/transport/threads/connect.ts';
import type { ThreadsShared } from '../src/runtime/transport/threads/world-state.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';
import { heldPart, piecesOf } from '../src/state/pieces.ts';
import { zeroOf } from '../src/state/placement.ts';
import type { StateRole, StateVector } from '../src/state/vectors.ts';
import { fillStep, type ReferenceOf } from '../src/step/fill-tokens.ts';
import { buildOuterStep } from '../src/step/outer-step.ts';
import { type StepSettings, synchronisesAt } from '../src/step/settings.ts';
import { buildTrainingStep } from '../src/step/training-step.ts';
import { type OptimizerSettings, writeOptimizer } from '../src/train/optimizer.ts';
import { noteAgreement } from '../src/train/replicas.ts';
import { type FaultName, withFault } from './races/faults.ts';
import { delaying, delays } from './races/paces.ts';
import type { WholeTensors } from './whole-tensors.ts';

export interface HeldUp {
  readonly shared: ThreadsShared;
  readonly seed: number;
  /** Accesses from one delay to the next, on average. */
  readonly every: number;
  /** What the delays are there to show. */
  readonly fault?: FaultName;
}

export interface EqualityJob {
  readonly settings: StepSettings;
  readonly optimizer: OptimizerSettings;
  readonly steps: number;
  /** Step after step takes the next ones and starts over at the end. */
  readonly sequences: readonly Sequence[];
  /** Of pairs [pairs, 2]: log-probabilities by the reference; undefined: numbers made from the pair's. */
  readonly reference?: Float64Array;
  /** Ranks talk over this memory and are held up at random points, in place of the world's own. */
  readonly heldUp?: HeldUp;
  /** A checkpoint; undefined: numbers made from names and indices. */
  readonly weights?: string;
  /** On one rank: what it goes on from, after so many steps. */
  readonly after?: { readonly steps: number; readonly tensors: WholeTensors };
}

/**
 * A box of a parameter, of its gradient after a step (finished, before clipping), or of its moments, as a rank holds it; of which replica,
 * where each has its own.
 */
export interface Shard {
  readonly name: string;
  readonly what: string;
  readonly shape: readonly number[];
  readonly ranges: readonly (readonly [number, number])[];
  readonly numbers: Float64Array;
}

export interface EqualityResult {
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  /** Of a loss of pairs: the `preferenceFigures` of every step, one after another. */
  readonly figures: readonly number[];
  readonly shards: readonly Shard[];
  /** Largest size of a number that pads a vector; all must stay zero. */
  readonly padding: number;
}

export async function rank(own: Transport, job: unknown): Promise<EqualityResult> {
  const { heldUp } = job as EqualityJob;
  if (!heldUp) return equalityRank(own, job as EqualityJob);
  const { shared, seed, every, fault } = heldUp;
  const held = delaying(delays(seed * 100 + own.rank, every));
  const transport = connectThreads(shared, own.rank, fault ? withFault(fault, held, shared) : held);
  const result = await equalityRank(transport, job as EqualityJob);
  transport.close();
  return result;
}

async function equalityRank(transport: Transport, job: EqualityJob): Promise<EqualityResult> {
  const { settings, optimizer, steps } = job;
  const { layout } = settings;
  const coords = coordsOf(layout, transport.rank);
  const step = buildTrainingStep(settings, transport.rank);
  const outer = settings.outer && buildOuterStep(settings, settings.outer, transport.rank);
  const memory = allocateMemory([step, ...(outer ? [outer] : [])], (bytes) => transport.allocate(bytes));
  const executor = createExecutor(step, { transport, memory });
  const outerExecutor = outer && createExecutor(outer, { transport, memory });
  const { of } = executor.memory;
  const { reference } = job;
  const referenceOf: ReferenceOf = (pair) =>
    reference
      ? [reference[2 * pair]!, reference[2 * pair + 1]!]
      : [-6 * hashed('chosen', pair), -6 * hashed('rejected', pair)];
  const sequence = (index: number) => job.sequences[index % job.sequences.length]!;
  if (step.one !== undefined) of(step.one)[0] = 1;
  if (job.weights === undefined)
    for (const { spec, ranges, numbers } of heldNumbers(step.state, 'parameter', memory.state, layout, coords))
      fillByIndex(numbers, spec, ranges);
  else readWeights(openCheckpoint(job.weights), step.state, memory.state, layout, transport);

  for (const [role, wholes] of job.after?.tensors ?? [])
    for (const { spec, numbers } of heldNumbers(step.state, role as StateRole, memory.state, layout, coords))
      numbers.set(wholes.get(spec.name)!);
  noteAgreement(step.state, memory.state, layout, coords);
  const stepsDone = job.after?.steps ?? 0;

  const losses: number[] = [];
  const gradNorms: number[] = [];
  const figures: number[] = [];
  const gradients = new Map<string, Float64Array[]>();
  for (let number = stepsDone + 1; number <= stepsDone + steps; number++) {
    fillStep(of, step, { settings, coords, step: number, sequence, referenceOf });
    writeOptimizer(of(step.optimizer), number, optimizer);
    executor.run();
    const [loss, ...told] = of(step.loss);
    losses.push(loss!);
    figures.push(...told, ...(step.routing === undefined ? [] : of(step.routing)));
    gradNorms.push(of(step.gradNorm)[0]!);
    for (const { key, numbers } of finishedGradients(step.state, memory.state, layout, coords))
      gradients.set(key, [...(gradients.get(key) ?? []), Float64Array.from(numbers)]);
    if (synchronisesAt(settings, number)) outerExecutor!.run();
  }
  const ofReplica = outer && layout.dp > 1 ? ` of replica ${coords.dp}` : '';
  const pieces = (role: StateRole) => heldNumbers(step.state, role, memory.state, layout, coords);
  const shards = (['parameter', 'firstMoment', 'secondMoment'] as const).flatMap((role) =>
    pieces(role).map(
      ({ spec, ranges, numbers }): Shard => ({
        name: spec.name,
        what: role.endsWith('Moment') ? `${role}${ofReplica}` : role,
        shape: spec.shape,
        ranges,
        numbers: Float64Array.from(numbers),
      }),
    ),
  );
  const finished = finishedGradients(step.state, memory.state, layout, coords).flatMap(({ key, spec, ranges }) =>
    (gradients.get(key) ?? []).map(
      (numbers, index): Shard => ({
        name: spec.name,
        what: `gradient ${index + 1}${ofReplica}`,
        shape: spec.shape,
        ranges,
        numbers,
      }),
    ),
  );
  const kept = step.state.filter(({ role }) => role !== 'gradient' || !leavesGradients(settings));
  const padding = Math.max(0, ...kept.map((vector) => paddingOf(vector, memory.state, layout, coords)));
  executor.dispose();
  outerExecutor?.dispose();
  return { losses, gradNorms, figures, shards: [...finished, ...shards], padding };
}

/** What a rank has of complete gradients after a step. */
function finishedGradients(vectors: readonly StateVector[], memory: StateMemory, mesh: Layout, coords: Coords) {
  return vectors
    .filter(({ role }) => role === 'gradient')
    .flatMap((vector) => {
      const { bucket, types } = vector;
      const start =
        heldPart(bucket, bucket.placement.finished, mesh, coords).start - heldPart(bucket, types, mesh, coords).start;
      return piecesOf(bucket, bucket.placement.finished, mesh, coords).map((piece) => ({
        ...piece,
        key: `${piece.spec.name} ${piece.ranges.join(' ')}`,
        numbers: memory.of(vector).subarray(start + piece.start, start + piece.start + piece.count),
      }));
    });
}

/** Of whole gradients that were summed in parts, what other ranks finish is left over; of an outer step, parts of the parameters. */
const leavesGradients = ({ layout, outer }: StepSettings): boolean =>
  zeroOf(layout) === 1 || (outer !== undefined && layout.dp > 1);

/** The largest number of a vector that belongs to no parameter; all must stay zero. */
function paddingOf(vector: StateVector, memory: StateMemory, mesh: Layout, coords: Coords): number {
  const numbers = Float64Array.from(memory.of(vector));
  for (const { start, count } of piecesOf(vector.bucket, vector.types, mesh, coords))
    numbers.fill(0, start, start + count);
  return numbers.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/**
 * Gains near one and everything else near zero, each number its own, from the parameter's name and its place in the whole: the
 * zeros and ones that training starts from would hide errors. Rows that pad a vocabulary stay zero.
 */
function fillByIndex(shard: Floats, spec: ParamSpec, ranges: readonly (readonly [number, number])[]): void {
  const centre = spec.initial === 'ones' ? 1 : 0;
  forEachRun(spec.shape, ranges, (start, at, count) => {
    for (let i = 0; i < count; i++) shard[at + i] = centre + 0.6 * (hashed(spec.name, start + i) - 0.5);
  });
}

/** A number in [0, 1) from a text and an index. */
function hashed(text: string, index: number): number {
  let hash = Math.imul(index + 1, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
