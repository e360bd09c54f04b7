// Worlds that fail leave nothing behind: what their ranks made natively is released, and no file stays open.
import { expect, test } from 'vitest';
import { type Ending, held, runEnding } from './leaks.ts';

test.runIf(process.platform === 'linux')('failing worlds give everything back', async () => {
  // What is loaded once a process, and what a first failure needs.
  for (const ending of ['throw', 'exit'] satisfies Ending[]) await runEnding(ending, 'small');
  const before = await held();
  const endings: readonly Ending[] = ['throw', 'exit', 'heap', 'abortImport'];
  for (const ending of endings) expect(await runEnding(ending, 'small'), ending).toBeInstanceOf(Error);
  const after = await held();
  expect(after.descriptors).toBe(before.descriptors);
  // A world of this model that releases nothing leaves 5 MB; koffi keeps less than 0.1 MB of a thread.
  if (!Number.isNaN(after.nativeBytes)) expect(after.nativeBytes - before.nativeBytes).toBeLessThan(3e6);
});
