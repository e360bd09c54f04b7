// kill -9 in the middle of saves: a process that saves in a loop is killed at some event, and the directory must hold one whole step.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { fullRanges } from '../../test/full-ranges.ts';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { typescript } from '../../test/typescript.ts';
import { readManifest } from './commit.ts';
import { openCheckpoint, openOptimizer } from './hf-directory.ts';
import { keptSteps } from './keep.ts';
import { planCheckpoint } from './plan.ts';

const root = temporaryFolder('kill');

const shape = [512, 1024];
const tensors = ['a', 'b', 'c'].map((name) => ({ name, shape, dtype: 'F32' as const }));
const optimizer = tensors.map((spec) => ({ ...spec, name: `${spec.name}.m` }));
const planned = { tensors, optimizer, maxFileBytes: 5e6 };

// Every number of a step is the step's own, so that numbers of two steps in one checkpoint show. Two writers take a half each.
const saveInALoop = `
import { planCheckpoint } from ${JSON.stringify(new URL('./plan.ts', import.meta.url))};
import { beginSave, commitSave, readManifest } from ${JSON.stringify(new URL('./commit.ts', import.meta.url))};
import { claimOut } from ${JSON.stringify(new URL('./claim.ts', import.meta.url))};
import { openWriter } from ${JSON.stringify(new URL('./writer.ts', import.meta.url))};
import { writeSync } from 'node:fs';
const [out, planned] = process.argv.slice(1);
const plan = planCheckpoint(JSON.parse(planned));
const { token: claim } = claimOut(out);
for (let step = 1 + (readManifest(out)?.step ?? 0); ; step++) {
  beginSave(out, plan, step, claim);
  writeSync(1, 'begun\\n');
  const data = new Float32Array(512 * 512).fill(step);
  for (const half of [0, 512]) {
    const writer = openWriter(out, plan, step);
    for (const name of plan.tensors.keys()) {
      writer.writeSlice(name, [[0, 512], [half, half + 512]], data);
      writeSync(1, 'wrote\\n');
    }
    writer.finish();
  }
  writeSync(1, 'finished\\n');
  commitSave(out, plan, step, { claim, config: '{}', manifest: { step }, keepLast: 3 });
  writeSync(1, 'committed ' + step + '\\n');
}`;

/** Runs the loop on `out` and kills it at its `events`-th line. Returns the last step it said was committed, or 0. */
async function saveUntilKilled(out: string, events: number): Promise<number> {
  const child = spawn(
    process.execPath,
    [...typescript, '--input-type=module', '-e', saveInALoop, out, JSON.stringify(planned)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_, signal) => resolve(signal)));
  let lines = 0;
  let committed = 0;
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('committed')) committed = Number(line.split(' ')[1]);
    if (++lines === events) child.kill('SIGKILL');
  }
  expect(await ended).toBe('SIGKILL');
  return committed;
}

/** The one step that everything in `out` is of. */
function stepOf(out: string): number {
  const step = Number(readManifest(out)?.step);
  const plan = planCheckpoint(planned);
  const opened = [openCheckpoint(out), openOptimizer(out)];
  const names = opened.flatMap((checkpoint) =>
    [...checkpoint.tensors.keys()].map((name) => {
      const values = new Float32Array(512 * 1024);
      checkpoint.read(name, fullRanges(shape), values);
      expect(values.every((value) => value === step)).toBe(true);
      return name;
    }),
  );
  for (const checkpoint of opened) checkpoint.close();
  expect(names.sort()).toEqual([...plan.tensors.keys()].sort());
  return step;
}

test('killed at any moment of a save, a run leaves its last committed step, whole, and goes on from it', async () => {
  const out = join(root, 'run');
  await saveUntilKilled(out, 9);
  expect(readManifest(out)).toBeUndefined();
  expect(() => openCheckpoint(out)).toThrow('no checkpoint');

  // A save is 15 events: begun, 12 writes, finished, committed. The kill comes some microseconds after the event.
  let previous = 0;
  for (const events of [17, 1, 14, 15, 29, 22, 14]) {
    const said = await saveUntilKilled(out, events);
    const step = stepOf(out);
    // What is kept is whole too.
    for (const kept of keptSteps(out)) expect(stepOf(kept.path)).toBe(kept.step);
    expect(step).toBeGreaterThanOrEqual(Math.max(previous, said));
    previous = step;
  }
  expect(previous).toBeGreaterThanOrEqual(3);

  expect(keptSteps(out).length).toBeGreaterThanOrEqual(2);

  // What seven killed saves left over is gone but for the last one's, if it had begun, and the committed one's predecessor's.
  const files = readdirSync(out).filter((name) => name.endsWith('.safetensors'));
  expect(new Set(files.map((name) => /step\d+/.exec(name)?.[0])).size).toBeLessThanOrEqual(3);
});
