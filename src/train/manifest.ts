// What a run notes in its checkpoints, so that it can be gone on with as the run it was.
import { z } from 'zod';
import { readManifest } from '../checkpoint/commit.ts';
import { fail, option } from '../errors.ts';
import { runSchema } from './settings.ts';

export const runManifestSchema = z.strictObject({
  /** Steps done. */
  step: z.int().min(1),
  run: runSchema,
  /** What each stream of tokens holds: other data are told by it, whatever their files are called. */
  data: z.array(z.strictObject({ tokens: z.int().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) })).min(1),
});

export type RunManifest = Readonly<z.infer<typeof runManifestSchema>>;

/**
 * The notes of a run to go on with.
 * @throws CHECKPOINT_BROKEN when they are not what a run notes, CHECKPOINT_MISMATCH when there are none
 */
export const readRun = (directory: string): RunManifest =>
  readManifest(directory, runManifestSchema) ??
  fail('CHECKPOINT_MISMATCH', {
    path: directory,
    problem: 'it is no run of Fivefold: it does not say at which step it was saved',
    fix: `start a new run from its weights with ${option('model')}`,
  });
