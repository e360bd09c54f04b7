// A rank that writes one text after another; what was opened for one serves all of the same settings.
import type { Generated, GenerateJob } from '../src/generate/job.ts';
import { continuePrompt, openWindow, type Window } from '../src/generate/rank.ts';
import type { Transport } from '../src/runtime/transport/transport.ts';

export async function rank(transport: Transport, jobs: unknown): Promise<(Generated | undefined)[]> {
  const windows = new Map<string, Window>();
  const windowOf = (job: GenerateJob): Window => {
    const key = JSON.stringify([job.weights, job.settings]);
    const window = windows.get(key) ?? openWindow(transport, job);
    windows.set(key, window);
    return window;
  };
  try {
    return (jobs as readonly GenerateJob[]).map((job) => continuePrompt(transport, job, windowOf(job), () => {}));
  } finally {
    for (const { executor } of windows.values()) executor.dispose();
  }
}
