// Whether a run may save into a directory, and that asking leaves nothing behind.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { FivefoldError } from '../errors.ts';
import { checkOut } from './out-directory.ts';

const root = temporaryFolder('out');

let directories = 0;
function directory(...names: string[]): string {
  const path = join(root, String(directories++));
  mkdirSync(path);
  for (const name of names) writeFileSync(join(path, name), '{}');
  return path;
}

/** The code checkOut ends with; also checks that the whole tree is as before. */
function check(out: string, resume?: string): string {
  const before = readdirSync(root, { recursive: true });
  try {
    checkOut(out, { resume });
    return 'free';
  } catch (error) {
    if (!(error instanceof FivefoldError)) throw error;
    expect(error.message).not.toContain('\n');
    return error.code;
  } finally {
    expect(readdirSync(root, { recursive: true })).toEqual(before);
  }
}

test('a new path, an empty directory and one with other things are free', () => {
  expect(check(join(root, 'new'))).toBe('free');
  expect(check(join(root, 'new', 'and', 'deep'))).toBe('free');
  expect(check(directory())).toBe('free');
  expect(check(directory('notes.txt', 'package.json'))).toBe('free');
});

test('a directory with a run or a model is taken', () => {
  for (const name of ['model.safetensors.index.json', 'model.safetensors', 'config.json', 'tokenizer.json']) {
    expect(check(directory(name))).toBe('OUT_EXISTS');
  }
});

test('a run may go on in its own directory, however that is written, and in no other', () => {
  const own = directory('model.safetensors.index.json', 'config.json');
  const other = directory('model.safetensors.index.json', 'config.json');
  expect(check(own, own)).toBe('free');
  expect(check(own, relative(process.cwd(), join(own, '..', own.split(/[/\\]/).at(-1)!)))).toBe('free');
  expect(check(own, other)).toBe('OUT_EXISTS');
  expect(check(own, join(root, 'nowhere'))).toBe('OUT_EXISTS');
  const plain = directory('model.safetensors', 'config.json');
  expect(check(plain, plain)).toBe('OUT_EXISTS');
});

test('a first save that was cut off is no run', () => {
  expect(check(directory('model-step000100-00001-of-00001.safetensors', 'config.json'))).toBe('free');
});

test('a path through a file cannot be written', () => {
  const file = join(directory('notes.txt'), 'notes.txt');
  expect(check(file)).toBe('OUT_UNWRITABLE');
  expect(check(join(file, 'below'))).toBe('OUT_UNWRITABLE');
});

test.runIf(process.platform === 'linux')('a file system that refuses is noticed, even for root', () => {
  expect(check('/proc/fivefold-run')).toBe('OUT_UNWRITABLE');
});
