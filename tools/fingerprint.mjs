// What dist/ is made from, as a short text that changes with any of it: paths, sizes and times of change. Reading those takes milliseconds.
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Files and folders, relative to the project's folder. */
const inputs = ['src', 'tools', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
/** Tests are not built, and kernels in src/ are made there for the tests. */
const ignored = /\.(test\.ts|wasm|tmp)$/;

/** Of the project in folder `root`. */
export function fingerprint(root) {
  const hash = createHash('sha256');
  const add = (path) => {
    const { size, mtimeMs } = statSync(path);
    hash.update(`${path.slice(root.length)}\0${size}\0${mtimeMs}\0`);
  };
  for (const input of inputs) {
    const path = join(root, input);
    if (!statSync(path).isDirectory()) add(path);
    else
      for (const entry of readdirSync(path, { recursive: true, withFileTypes: true }))
        if (entry.isFile() && !ignored.test(entry.name)) add(join(entry.parentPath, entry.name));
  }
  return hash.digest('hex');
}
