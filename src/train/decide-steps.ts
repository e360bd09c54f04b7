// How long a run is and how its learning rate goes: known when the data are, whose sequences its epochs count.
import { stepsForEpochs } from '../data/epochs.ts';
import type { SourceSequences } from '../data/sequences.ts';
import { option } from '../errors.ts';
import { changesOf } from './go-on.ts';
import { defaultWarmup } from './optimizer.ts';
import { refuse } from './refuse.ts';
import { atMeetings, checkEnd, meetingNotes } from './replicas.ts';
import { mostSteps, type RunSettings, trainDefaults } from './settings.ts';
import type { LaidOut, Settled } from './settled.ts';

export interface Steps {
  readonly run: RunSettings;
  readonly stepsDone: number;
  /** What a person should know before the run starts. */
  readonly notes: readonly string[];
}

/** What is known of the steps before the data are. @throws OPTION_INVALID */
export function checkSteps(asked: Pick<Settled, 'given' | 'before' | 'run'>): void {
  const { given, before } = asked;
  if (given.epochs === undefined) checkLength(given.steps ?? before?.run.steps ?? trainDefaults.steps, asked);
  else if (given.steps !== undefined)
    refuse('epochs', `${option('steps')} says already how long the run is`, 'give one of the two');
}

/** The steps of the run and the schedule of its learning rate; `sequences`: how those of each source are used. */
export function decideSteps(laidOut: LaidOut, sequences: readonly SourceSequences[]): Steps {
  const { given, before, run } = laidOut;
  const inEpochs = given.epochs === undefined ? undefined : stepsFor(given.epochs, sequences, run.globalBatch);
  const byEpochs = atMeetings(inEpochs, run);
  const steps = given.steps ?? byEpochs ?? before?.run.steps ?? trainDefaults.steps;
  checkLength(steps, laidOut);
  const decaySteps = given.decaySteps ?? before?.run.decaySteps ?? steps;
  const warmupSteps = given.warmupSteps ?? before?.run.warmupSteps ?? defaultWarmup(decaySteps);
  return {
    run: { ...run, steps, decaySteps, warmupSteps },
    stepsDone: before?.step ?? 0,
    notes: [
      ...(before ? changesOf(before.run, { ...run, steps, decaySteps, warmupSteps }) : []),
      ...(byEpochs === inEpochs
        ? []
        : [
            `${option('epochs')} ${given.epochs} are ${inEpochs} steps; it takes ${byEpochs}, so that its replicas agree at the end`,
          ]),
      ...meetingNotes(given, run),
      ...scheduleNotes(run.learningRate, { steps, decaySteps, warmupSteps }),
    ],
  };
}

/** With `restart`, a run that is done has nothing left to do. */
function checkLength(steps: number, { given, before, run }: Pick<Settled, 'given' | 'before' | 'run'>): void {
  const done = before?.step ?? 0;
  if (steps < done || (steps === done && given.restart === undefined))
    refuse(
      'steps',
      `the run in ${given.resume} has done ${done} steps, and ${steps} are asked for in all`,
      `use ${option('steps')} ${done + run.syncEvery} or more`,
    );
  checkEnd(steps, done, run);
}

/** The steps of so many epochs of the data's sequences. */
function stepsFor(epochs: number, sources: readonly SourceSequences[], globalBatch: number): number {
  const steps = stepsForEpochs(sources, epochs, globalBatch);
  if (steps > mostSteps)
    refuse('epochs', `${epochs} are ${steps} steps, and a run has at most ${mostSteps}`, 'use fewer');
  return steps;
}

/** What of a schedule may not be meant. */
function scheduleNotes(
  learningRate: number,
  { steps, decaySteps, warmupSteps }: Pick<RunSettings, 'steps' | 'decaySteps' | 'warmupSteps'>,
): string[] {
  if (warmupSteps > steps)
    return [`the rate does not reach ${learningRate}: its warm-up of ${warmupSteps} steps is longer than the run`];
  if (warmupSteps > decaySteps)
    return [
      `the rate falls at once from its highest to its lowest: its warm-up (${warmupSteps} steps) ends after its decay (${option('decaySteps')} ${decaySteps})`,
    ];
  return [];
}
