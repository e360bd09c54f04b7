// The last few steps of a run: the newest is the run's directory itself, each older one a checkpoint directory below it.
//
//   runs/x/                              runs/x/checkpoints/step-000030/
//     model.safetensors.index.json         model.safetensors.index.json    the index of step 30
//     model-step000040-...                 model-step000030-...            second names of its files: they take no space
//
// A step is kept before the next is committed, under a temporary name until it is whole. So each is whole at every instant.
import { copyFileSync, existsSync, fsyncSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { linkOrCopy, partialSuffix, syncDirectory, withFile } from './files.ts';
import { besideTokenizer, type CheckpointIndex, configName, indexName, stepOf, tokenizerName } from './index-file.ts';
import { committedFiles, keptFolder } from './out-files.ts';

const keptName = (step: number): string => `step-${String(step).padStart(6, '0')}`;

const keptPattern = /^step-(\d{6,})$/;

/** The steps kept below a run's directory, the oldest first: each is a checkpoint that can be loaded and gone on with. */
export function keptSteps(out: string): { readonly step: number; readonly path: string }[] {
  const folder = join(out, keptFolder);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, indexName)))
    .flatMap((name) => {
      const step = keptPattern.exec(name)?.[1];
      return step === undefined ? [] : [{ step: Number(step), path: join(folder, name) }];
    })
    .sort((a, b) => a.step - b.step);
}

/** Whether a directory is one of the kept steps of a run. */
export const isKeptStep = (path: string): boolean => {
  const folder = dirname(resolve(path));
  return (
    keptPattern.test(basename(resolve(path))) &&
    basename(folder) === keptFolder &&
    existsSync(join(dirname(folder), indexName))
  );
};

/** Keeps the step that is committed in `out` for when `next` has replaced it. */
export function keepCommitted(out: string, index: CheckpointIndex | undefined, next: number): void {
  const step = stepOf(index?.manifest);
  if (step === undefined || step === next) return;
  const folder = join(out, keptFolder);
  const kept = join(folder, keptName(step));
  if (existsSync(kept)) return;
  const partial = `${kept}${partialSuffix}`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  for (const name of committedFiles(index)) linkOrCopy(join(out, name), join(partial, name));
  // Texts are copied: one that is edited later is edited in one place.
  for (const name of [indexName, configName, tokenizerName, ...besideTokenizer]) {
    if (!existsSync(join(out, name))) continue;
    copyFileSync(join(out, name), join(partial, name));
    withFile(join(partial, name), 'r+', fsyncSync);
  }
  syncDirectory(partial);
  renameSync(partial, kept);
  syncDirectory(folder);
  syncDirectory(out);
}

/** Removes all but the last `count` of the kept steps. */
export function pruneKept(out: string, count: number): void {
  const steps = keptSteps(out);
  for (const { path } of steps.slice(0, Math.max(0, steps.length - count))) {
    // Not a whole one any more from the first file that goes.
    renameSync(path, `${path}${partialSuffix}`);
    rmSync(`${path}${partialSuffix}`, { recursive: true });
  }
}
