// Another run that saves while a run prepares: neither its weights nor its directory are taken for the run's own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readManifest } from '../checkpoint/commit.ts';
import { dataSources } from '../data/source.ts';
import { prepareTokens } from '../data/tokens.ts';
import { withTemporary } from '../files/temporary.ts';
import { launch } from './launch.ts';
import { layOut } from './lay-out.ts';
import { planRun } from './plan-run.ts';
import { settle } from './settle.ts';
import { train } from './train.ts';

const folder = mkdtempSync(join(tmpdir(), 'taken-over-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, 'text.txt');
writeFileSync(data, 'One run settles, another one saves. '.repeat(40));

const tiny = {
  model: 'llama-tiny',
  set: ['hidden_size=32', 'num_hidden_layers=1', 'intermediate_size=32'],
  data: [data],
  seqLen: 16,
  layout: 'tp=1',
};

/** Starts a run, but for its ranks only after `meanwhile`. */
const launchAfter = (settings: Parameters<typeof settle>[0], meanwhile: () => Promise<unknown>) =>
  withTemporary(async (cacheDirectory) => {
    const settled = settle(settings);
    const { run, tokenizer, model } = settled;
    const { vocabSize } = model.config;
    const tokens = await prepareTokens({ sources: dataSources(run.data), tokenizer, cacheDirectory, vocabSize });
    const plan = planRun(await layOut(settled, {}), tokens, cacheDirectory);
    await meanwhile();
    return launch(plan, {});
  });

test('a run does not go on from a step that was saved after it was settled', async () => {
  const out = join(folder, 'resumed');
  await train({ ...tiny, steps: 2, out });
  const late = launchAfter({ resume: out, steps: 6 }, () => train({ resume: out, steps: 4 }));
  await expect(late).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
  expect(readManifest(out)).toMatchObject({ step: 4 });
});

test('a run does not replace one that has come and gone since it was settled', async () => {
  const out = join(folder, 'fresh');
  const late = launchAfter({ ...tiny, steps: 1, out }, () => train({ ...tiny, steps: 3, out }));
  await expect(late).rejects.toMatchObject({ code: 'OUT_EXISTS' });
  expect(readManifest(out)).toMatchObject({ step: 3 });
});
