// What a file of tests works in and leaves nothing of, and tokens for its runs.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder of its own, removed after the tests. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `fivefold-${name}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file of so many token ids below `vocab`, as if at random. */
export function writeTokens(path: string, count: number, vocab: number): string {
  writeFileSync(
    path,
    Int32Array.from({ length: count }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 9) % vocab),
  );
  return path;
}
