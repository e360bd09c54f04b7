// The run that is gone on with: whether it can be, what it was, and what becomes of it.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { holderOf, wasClaimed } from '../checkpoint/claim.ts';
import { identityOf, openOptimizer } from '../checkpoint/hf-directory.ts';
import { holdsWeights } from '../checkpoint/out-directory.ts';
import { fail, option } from '../errors.ts';
import { type RunManifest, readRun } from './manifest.ts';
import { refuse } from './refuse.ts';
import { metricsName, settingsName } from './run-directory.ts';
import type { RunSettings, TrainSettings } from './settings.ts';

/** What its weights are: see `identityOf`. @throws for a run without weights or moments to go on from */
export function identityOfRun(resume: string): string {
  checkSaved(resume);
  openOptimizer(resume).close();
  return identityOf(resume);
}

/** @throws CHECKPOINT_MISSING for a run that has not saved a step yet, or ended before it did */
function checkSaved(resume: string): void {
  if (!statSync(resume, { throwIfNoEntry: false })?.isDirectory() || holdsWeights(resume)) return;
  const holder = holderOf(resume);
  const names = [settingsName, metricsName].filter((name) => existsSync(join(resume, name)));
  if (holder === undefined && names.length === 0 && !wasClaimed(resume)) return;
  const config = names.includes(settingsName) ? `${option('config')} ${join(resume, settingsName)} ` : '';
  fail('CHECKPOINT_MISSING', {
    path: resume,
    problem: `no step was saved there yet${holder === undefined ? '' : `, and it is being written by ${holder}`}`,
    fix:
      holder === undefined
        ? `start again with ${config}${option('out')} ${resume}`
        : 'wait until it has saved one and has ended',
  });
}

/** What a run keeps for all of its length besides its model. */
export const fixedSettings = [
  'objective',
  'beta',
  'seed',
  'seqLen',
  'globalBatch',
  'precision',
  'pack',
  'heldOut',
  'mix',
  'syncEvery',
  'capacity',
  'routing',
] as const;

/** The notes of a run; what would make it another run is refused. */
export function goOnWith(resume: string, given: TrainSettings): RunManifest {
  const before = readRun(resume);
  const fix = `leave it out, or start a new run from its weights with ${option('model')} ${resume}`;
  for (const key of ['model', 'set'] as const)
    if (given[key] !== undefined && given[key] !== resume) refuse(key, `the run in ${resume} has its own model`, fix);
  if (before.run.objective === 'dpo' && given.dataChanged)
    refuse('dataChanged', `the reference of the run in ${resume} is known for its own pairs alone`, fix);
  for (const key of fixedSettings)
    if (given[key] !== undefined && `${given[key]}` !== `${before.run[key]}`)
      refuse(
        key,
        `${given[key]} is not ${before.run[key] === undefined ? 'what it was' : `the ${before.run[key]}`} in the run in ${resume}`,
        fix,
      );
  return before;
}

/** How a run that goes on differs from what it was. */
export function changesOf(before: RunSettings, run: RunSettings): string[] {
  const keys = [
    'learningRate',
    'minLearningRate',
    'warmupSteps',
    'decaySteps',
    'betas',
    'epsilon',
    'weightDecay',
    'clipNorm',
    'auxLoss',
    'zLoss',
    'biasRate',
    'outerLearningRate',
    'outerMomentum',
    'microBatch',
  ] as const;
  const changed = keys
    .filter((key) => `${before[key]}` !== `${run[key]}`)
    .map((key) => `${option(key)} is ${run[key]} from here on; it was ${before[key]}`);
  const past = run.steps - run.decaySteps;
  if (run.steps <= before.steps || past <= 0) return changed;
  return [
    ...changed,
    `the run was planned for ${before.steps} steps; from step ${run.decaySteps} on its rate stays at ${run.minLearningRate} (${option('decaySteps')} ${run.steps} would stretch the schedule instead)`,
  ];
}
