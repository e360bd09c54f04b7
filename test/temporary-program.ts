// A program that makes temporary things as a run does, says so, and lives until it is killed.
import { join } from 'node:path';
import { TokenWriter } from '../src/data/token-writer.ts';
import { withTemporary } from '../src/files/temporary.ts';

await withTemporary(async (directory) => {
  await TokenWriter.create(join(directory, '..', 'tokens.i32.bin'));
  process.stdout.write('ready\n');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
