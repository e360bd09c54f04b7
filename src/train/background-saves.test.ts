// What the thread that writes checkpoints cannot write, or does not get written, ends the save with SAVE_FAILED.
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeFifo } from '../../test/odd-files.ts';
import { claimOut } from '../checkpoint/claim.ts';
import { committedStep } from '../checkpoint/out-files.ts';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import { createBackgroundSaves, type SavingWorld } from './background-saves.ts';

const root = mkdtempSync(join(tmpdir(), 'fivefold-background-'));
const out = join(root, 'run');
const { token: claim, release } = claimOut(out);
afterAll(() => {
  release();
  rmSync(root, { recursive: true });
});

const config = parseModelConfig(presets['llama-tiny'], 'llama-tiny');
const settings = {
  ...{ config, layout: parseLayout('tp=2'), seqLen: 8, microBatch: 1, microbatches: 1 },
  precision: 'f32',
} as const;

/** Saves a step as two ranks that have copied it would; resolves with what was heard of it. */
async function saveStep(step: number, changed: Partial<SavingWorld['save']>, timeoutSeconds = 20): Promise<string[]> {
  const heard: string[] = [];
  const saves = createBackgroundSaves();
  saves.forWorld({
    settings,
    save: { out, claim, every: 1, config: '{}', manifest: {}, ...changed },
    timeoutSeconds,
    onSaved: (saved) => heard.push(`saved ${saved}`),
    onFailure: (error) => heard.push(error.message),
  });
  saves.copied(step);
  await saves.settled();
  expect(heard).toEqual([]);
  saves.copied(step);
  await saves.settled();
  await saves.close();
  return heard;
}

test('a step is written when all ranks have copied it', async () => {
  expect(await saveStep(1, {})).toEqual(['saved 1']);
  expect(committedStep(out)).toBe(1);
});

test('what cannot be written is said as ranks would say it, with the step that is whole', async () => {
  expect(await saveStep(2, { claim: 'of another run' })).toEqual([
    expect.stringMatching(/^step 2 could not be saved in .*: another run has taken .*; step 1 there is whole: /),
  ]);
});

test.skipIf(process.platform === 'win32')(
  'a device that does not answer ends the save after the time-out',
  async () => {
    // Opening a pipe that nobody writes into does not return.
    const tokenizerPath = join(root, 'pipe');
    makeFifo(tokenizerPath);
    const heard = await saveStep(2, { tokenizerPath }, 0.6);
    closeSync(openSync(tokenizerPath, 'r+'));
    expect(heard).toEqual([
      expect.stringMatching(
        /^step 2 could not be saved in .*: nothing of it has been written for 0.6 s; step 1 there is/,
      ),
    ]);
    expect(committedStep(out)).toBe(1);
    expect(readdirSync(out).some((name) => name.includes('step000001'))).toBe(true);
  },
);
