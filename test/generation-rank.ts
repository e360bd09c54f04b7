// A rank that writes one text after another, each as `generate` has it written.

import type { Generated } from '../src/generate/job.ts';
import { rank as generateRank } from '../src/generate/rank.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';

export async function rank(transport: Transport, job: unknown): Promise<(Generated | undefined)[]> {
  const written: (Generated | undefined)[] = [];
  for (const each of job as readonly unknown[]) written.push(await generateRank(transport, each, () => {}));
  return written;
}
