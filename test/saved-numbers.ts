// What a run has saved, whatever the files are called.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

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
