// A program that makes temporary things as a run does, says so, and lives until it is killed.
import { join } from 'node:path';
import { withTemporary } from '../src/cli/temporary.ts';
import { TokenWriter } from '../src/data/token-file.ts';

await withTemporary(async (directory) => {
  await TokenWriter.create(join(directory, '..', 'tokens.i32.bin'));
  process.stdout.write('ready\n');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
