// The frozen reference of preference optimization: log-probabilities that the weights a run started from give to every completion,
// computed once before the first step and kept with the run. No second copy of weights is held, and a resumed run, whose weights have
// moved on, has the reference it was started with.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { replaceFile } from '../checkpoint/files.ts';
import { isKeptStep } from '../checkpoint/keep.ts';
import { writingTo } from '../checkpoint/out-files.ts';
import { readReferenceNotes } from '../checkpoint/reference-file.ts';
import type { PairStatistics } from '../data/pair-file.ts';
import { fail, option } from '../errors.ts';
import type { Reference } from './job.ts';
import type { LaidOut } from './settled.ts';

export const referenceName = 'reference-logps.safetensors';

/** `sha256` of the data; `folder`: where the file of a run goes that saves nothing. @throws CHECKPOINT_MISMATCH */
export function planReference(
  { given, run, weights, before }: LaidOut,
  { pairs }: PairStatistics,
  sha256: readonly string[],
  folder: string,
): Reference {
  const out = given.out ?? given.resume;
  const path = join(out ?? folder, referenceName);
  const notes = {
    model: weights?.path ?? run.model,
    weights: weights?.identity ?? `initial, seed ${run.seed}`,
    data: sha256.join(),
    precision: run.precision,
  };
  if (!before) return { path, isNew: true, pairs, notes };
  const known = referenceIn(given.resume!);
  const found = readReferenceNotes(known);
  if (found.pairs !== pairs || (found.notes.data !== undefined && found.notes.data !== notes.data))
    fail('CHECKPOINT_MISMATCH', {
      path: known,
      problem: `it is the reference for ${found.pairs} pairs of other data`,
      fix: `put back the one of the run, or start a new run from its weights with ${option('model')} ${given.resume}`,
    });
  return { path, isNew: false, pairs, notes, ...(resolve(known) === resolve(path) ? {} : { copyFrom: known }) };
}

/** What a run that is saved in another directory goes on with lies there too. */
export const takeOverReference = (from: string, to: string): void =>
  writingTo(dirname(to), () => {
    mkdirSync(dirname(to), { recursive: true });
    replaceFile(to, readFileSync(from));
  });

/** Of a run's directory, or of one of the steps kept below it. */
function referenceIn(directory: string): string {
  const path = join(isKeptStep(directory) ? join(directory, '..', '..') : directory, referenceName);
  if (!existsSync(path))
    fail('CHECKPOINT_MISMATCH', {
      path: directory,
      problem: `${referenceName}, which holds what the weights it started from prefer, is not there`,
      fix: `put it back, or start a new run from its weights with ${option('model')} ${directory}`,
    });
  return path;
}
