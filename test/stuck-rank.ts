// A rank whose thread never comes back from a system call: it opens a named pipe that nobody writes to.
import { readFileSync } from 'node:fs';

export async function rank(_: unknown, job: unknown): Promise<void> {
  readFileSync(job as string);
}
