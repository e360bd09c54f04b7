// Replicas that take steps of their own, as a run sees them: when they meet, what cannot go with it, what they agree on at the start.
import { option } from '../errors.ts';
import { type Layout, parseLayout } from '../mesh/layout.ts';
import type { Coords, Mesh } from '../mesh/mesh.ts';
import type { StateMemory } from '../runtime/memory.ts';
import { heldPart } from '../state/pieces.ts';
import type { StateVector } from '../state/vectors.ts';
import type { StepSettings } from '../step/settings.ts';
import type { RunManifest } from './manifest.ts';
import { refuse } from './refuse.ts';
import { mostSteps, type RunSettings, type TrainSettings, trainDefaults } from './settings.ts';

const outerKeys = ['outerLearningRate', 'outerMomentum'] as const;
type Meeting = Pick<RunSettings, 'syncEvery' | (typeof outerKeys)[number]>;

/** How replicas meet; whether a layout lets them is left to {@link checkReplicas}. */
export function settleMeeting(given: TrainSettings, before: RunManifest | undefined): Meeting {
  const syncEvery = given.syncEvery ?? before?.run.syncEvery ?? trainDefaults.syncEvery;
  if (syncEvery > 1) {
    const value = (key: (typeof outerKeys)[number]) => given[key] ?? before?.run[key] ?? trainDefaults[key];
    return { syncEvery, outerLearningRate: value('outerLearningRate'), outerMomentum: value('outerMomentum') };
  }
  for (const key of outerKeys)
    if (given[key] !== undefined)
      refuse(
        key,
        'there is no outer step where gradients are summed at every step',
        `leave it out, or add ${option('syncEvery')} 10`,
      );
  return { syncEvery };
}

/** The same for the programs of a step. */
export const outerOf = ({ syncEvery, outerLearningRate, outerMomentum }: Meeting): Pick<StepSettings, 'outer'> =>
  outerLearningRate === undefined || outerMomentum === undefined
    ? {}
    : { outer: { every: syncEvery, learningRate: outerLearningRate, momentum: outerMomentum } };

/** As many as the run gone on with has, where every one goes on with its own moments; undefined: any number. */
export const replicasBefore = ({ syncEvery }: Meeting, before: RunManifest | undefined): number | undefined =>
  before && syncEvery > 1 ? parseLayout(before.run.layout, () => '').dp : undefined;

/** @throws for a layout in which replicas cannot take steps of their own, or not those of the run gone on with */
export function checkReplicas(
  run: Meeting & Pick<RunSettings, 'biasRate' | 'pack'>,
  layout: Layout,
  before: RunManifest | undefined,
): void {
  const { syncEvery, biasRate, pack } = run;
  if (syncEvery === 1) return;
  const dp = replicasBefore(run, before);
  if (dp !== undefined && dp !== layout.dp)
    refuse(
      'layout',
      `dp=${layout.dp} where the run has dp=${dp}, and every replica goes on with its own moments`,
      `use dp=${dp}; the other axes are free`,
    );
  if (layout.dp === 1)
    refuse(
      'syncEvery',
      `there is nothing to bring together every ${syncEvery} steps: with dp=1 there is one replica`,
      `use ${option('layout')} dp=2, or leave it out`,
    );
  if (layout.zero > 0)
    refuse(
      'layout',
      `zero=${layout.zero} shares out over dp what every replica has for itself with ${option('syncEvery')} ${syncEvery}`,
      `leave zero out, or ${option('syncEvery')}`,
    );
  if (pack === 'balanced')
    refuse(
      'pack',
      `what every replica learns alone with ${option('syncEvery')} ${syncEvery} must not depend on how documents are dealt out to ranks`,
      `use ${option('pack')}, or leave ${option('syncEvery')} out`,
    );
  if (biasRate > 0)
    refuse(
      'biasRate',
      `biases move by the load of all replicas, which know only their own with ${option('syncEvery')} ${syncEvery}`,
      `leave it out (${option('auxLoss')} balances too), or ${option('syncEvery')}`,
    );
}

/** Replicas agree on a model at synchronisations alone: what is done with it after every so many steps is done at the next of them. */
export const atMeetings = (every: number | undefined, { syncEvery }: Meeting): number | undefined =>
  every === undefined
    ? undefined
    : Math.min(Math.ceil(every / syncEvery), Math.floor(mostSteps / syncEvery)) * syncEvery;

/** What was asked for at steps at which replicas do not meet. */
export const meetingNotes = (
  given: TrainSettings,
  run: Omit<RunSettings, 'steps' | 'warmupSteps' | 'decaySteps'>,
): string[] =>
  (['saveEvery', 'evalEvery', 'sampleEvery'] as const)
    .filter((key) => given[key] !== undefined && given[key] !== run[key])
    .map(
      (key) =>
        `${option(key)} is ${run[key]}, not ${given[key]}: replicas agree on a model every ${run.syncEvery} steps`,
    );

/** @throws when a run that has done so many of its steps would end between synchronisations */
export function checkEnd(steps: number, done: number, { syncEvery }: Meeting): void {
  if (steps % syncEvery === 0) return;
  const next = Math.ceil(steps / syncEvery) * syncEvery;
  const possible = [next - syncEvery, next].filter((each) => each > done && each <= mostSteps);
  refuse(
    'steps',
    `${steps} is no multiple of ${option('syncEvery')} ${syncEvery}, and a run ends when its replicas agree`,
    `use ${option('steps')} ${possible.join(' or ')}`,
  );
}

/** Notes this rank's part of the parameters, the same on all replicas, as what they last agreed on. */
export function noteAgreement(vectors: readonly StateVector[], memory: StateMemory, mesh: Mesh, coords: Coords): void {
  for (const vector of vectors) {
    if (vector.role !== 'synchronised') continue;
    const { bucket } = vector;
    const parameter = vectors.find((other) => other.role === 'parameter' && other.bucket === bucket)!;
    const start =
      heldPart(bucket, vector.types, mesh, coords).start - heldPart(bucket, parameter.types, mesh, coords).start;
    memory.of(vector).set(memory.of(parameter).subarray(start, start + vector.size));
  }
}
