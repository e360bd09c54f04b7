// What a run notes in its checkpoints, so that it can be gone on with as the run it was.
import { z } from 'zod';
import { readManifest } from '../checkpoint/commit.ts';
import { fail, option } from '../errors.ts';
import { type RunSettings, runSchema } from './settings.ts';

export interface RunManifest {
  /** Steps done. */
  readonly step: number;
  readonly run: RunSettings;
  /** What each stream of tokens holds: other data are told by it, whatever their files are called. */
  readonly data: readonly { readonly tokens: number; readonly sha256: string }[];
}

/** @internal */
export const runManifestSchema: z.ZodType<RunManifest> = z.strictObject({
  step: z.int().min(1),
  run: runSchema,
  data: z.array(z.strictObject({ tokens: z.int().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) })).min(1),
});

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
