// What a run has saved, whatever the files are called.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Checkpoint, openCheckpoint, openOptimizer } from '../src/checkpoint/hf-directory.ts';
import { fullRanges } from './full-ranges.ts';

/** A hash of every file of tensors of a directory's checkpoint, weights and optimizer state. */
export const savedNumbers = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.safetensors'))
    .map(
      (name) =>
        `${name.replace(/b?(?=[-.])/g, '')} ${createHash('sha256')
          .update(readFileSync(join(directory, name)))
          .digest('hex')}`,
    )
    .sort();

/** Every tensor of a directory's checkpoint, its optimizer state too. */
export function savedTensors(directory: string): Map<string, Float64Array> {
  const opened: Checkpoint[] = [openCheckpoint(directory), openOptimizer(directory)];
  const tensors = opened.flatMap((checkpoint) =>
    [...checkpoint.tensors].map(([name, { shape }]) => {
      const values = new Float64Array(shape.reduce((product, size) => product * size, 1));
      checkpoint.read(name, fullRanges(shape), values);
      return [name, values] as const;
    }),
  );
  for (const checkpoint of opened) checkpoint.close();
  return new Map(tensors);
}
