// Files that are no regular files, made for tests: what stands where a file is expected.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, symlinkSync, truncateSync } from 'node:fs';
import { createServer } from 'node:net';

/** A named pipe with nobody at its other end: opening it to read waits for ever. */
export const makeFifo = (path: string): void => void execFileSync('mkfifo', [path]);

/** A Unix socket; close it with what is returned. */
export function makeSocket(path: string): Promise<() => Promise<void>> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(path, () => resolve(() => new Promise((closed) => server.close(() => closed()))));
  });
}

/** A link to itself. */
export const makeLinkCircle = (path: string): void => symlinkSync(path, path);

/** A file of so many bytes, all 0, that take no room on the disk. */
export function makeSparse(path: string, bytes: number): void {
  closeSync(openSync(path, 'w'));
  truncateSync(path, bytes);
}
