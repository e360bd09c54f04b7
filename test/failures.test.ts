// What can go wrong in a training run, and how it ends: with a code, one line that names the cause, and nothing half done.
import { cpSync, existsSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readManifest } from '../src/checkpoint/commit.ts';
import { findModel } from '../src/checkpoint/model-source.ts';
import { openSafetensors } from '../src/checkpoint/safetensors.ts';
import { FivefoldError } from '../src/errors.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { runWorld } from '../src/runtime/world.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { talkOf } from '../src/step/talk.ts';
import { type TrainOptions, train } from '../src/train/train.ts';
import type { DyingJob } from './dying-rank.ts';
import { temporaryFolder, writeTokens } from './temporary-folder.ts';
import { trainJob } from './train-job.ts';

const root = temporaryFolder('failures');
const tokenFile = writeTokens(join(root, 'tokens.i32.bin'), 2000, 41);

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

/** A copy of a fixture that may be spoiled. */
function copyOf(name: string): string {
  const copy = mkdtempSync(join(root, `${name}-`));
  cpSync(fixture(name), copy, { recursive: true });
  return copy;
}

const run = (options: Pick<TrainOptions, 'model' | 'layout'> & Partial<TrainOptions>) =>
  train({
    data: tokenFile,
    precision: 'f64',
    steps: 20,
    learningRate: 1e-3,
    seed: 1,
    seqLen: 8,
    globalBatch: 4,
    microBatch: 1,
    timeoutSeconds: 5,
    ...options,
  });

async function failureOf(outcome: Promise<unknown>): Promise<FivefoldError> {
  const error = await outcome.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FivefoldError);
  return error as FivefoldError;
}

/** Writes a number into a tensor of a .safetensors file of f64. */
function spoil(path: string, tensor: string, index: number, value: number): void {
  const file = openSafetensors(path);
  const { begin, dtype } = file.tensors.get(tensor)!;
  file.close();
  expect(dtype).toBe('F64');
  const bytes = readFileSync(path);
  bytes.writeDoubleLE(value, begin + index * 8);
  writeFileSync(path, bytes);
}

test.each([
  ['tp=1', Number.NaN],
  ['tp=2,pp=2', Number.POSITIVE_INFINITY],
])('%s: %s in the weights', async (layout, value) => {
  const directory = copyOf('qwen2');
  spoil(join(directory, 'model.safetensors'), 'model.layers.1.mlp.up_proj.weight', 5, value);
  const out = join(root, `never-${layout}`);
  const error = await failureOf(run({ model: findModel(directory), layout: parseLayout(layout), out }));
  expect(error.code).toBe('CHECKPOINT_BROKEN');
  expect(error.exit).toBe(2);
  expect(error.message).toContain('model.layers.1.mlp.up_proj.weight');
  expect(error.message).not.toContain('\n');
  expect(existsSync(out)).toBe(false);
});

test('a weight file that is cut short', async () => {
  const directory = copyOf('llama');
  truncateSync(join(directory, 'model.safetensors'), 20_000);
  const error = await failureOf((async () => run({ model: findModel(directory), layout: parseLayout('tp=1') }))());
  expect(error.code).toBe('CHECKPOINT_BROKEN');
  expect(error.exit).toBe(2);
  expect(error.message).toContain(directory);
});

test('weights of another model', async () => {
  const { config } = findModel(fixture('llama'));
  const model = { config, weights: fixture('qwen3') };
  const error = await failureOf(run({ model, layout: parseLayout('tp=2') }));
  expect(error.code).toBe('CHECKPOINT_MISMATCH');
  expect(error.exit).toBe(2);
});

test.each(['tp=1', 'tp=2,pp=2'])('%s: a learning rate far too large', async (layout) => {
  const out = join(root, `diverged-${layout}`);
  const losses: number[] = [];
  const error = await failureOf(
    run({
      model: findModel(fixture('llama')),
      layout: parseLayout(layout),
      learningRate: 1e200,
      out,
      onReport: (report) => {
        if (report.kind === 'step') losses.push(report.loss);
      },
    }),
  );
  expect(error.code).toBe('TRAINING_DIVERGED');
  expect(error.exit).toBe(1);
  expect(error.message).toMatch(/^step \d+ ended with loss .* use a lower learningRate/);
  expect(losses.every(Number.isFinite)).toBe(true);
  expect(readManifest(out)).toBeUndefined();
});

test('weights that overflow in the last step replace no checkpoint', async () => {
  const out = join(root, 'overflow');
  // One step: its loss is a number, but f32 weights moved by 1e39 are not.
  const error = await failureOf(
    run({
      model: findModel(fixture('llama')),
      layout: parseLayout('dp=2'),
      precision: 'f32',
      learningRate: 1e39,
      steps: 1,
      out,
    }),
  );
  expect(error.code).toBe('TRAINING_DIVERGED');
  expect(error.message).toMatch(
    /^step 1 ended with weights of model\.\S+ that are not numbers; use a lower learningRate/,
  );
  expect(readManifest(out)).toBeUndefined();
});

const config = parseModelConfig(JSON.parse(readFileSync(join(fixture('llama'), 'config.json'), 'utf8')), 'llama');

function runDying(layoutText: string, dying: number, death: DyingJob['death'], recorderDir: string): Promise<unknown> {
  const layout = parseLayout(layoutText);
  const settings: StepSettings = { config, layout, seqLen: 8, microBatch: 1, microbatches: 2, precision: 'f64' };
  const talk = talkOf(settings);
  const job: DyingJob = {
    ...trainJob(settings, tokenFile, 1000),
    dying,
    death,
  };
  return runWorld({
    plan: { ...talk, timeoutSeconds: 2 },
    rankModule: new URL('./dying-rank.ts', import.meta.url),
    jobs: Array.from({ length: talk.size }, () => job),
    recorderDir,
  });
}

test.each([
  ['tp=2,pp=2', 3, 'exit', 'its thread exited with status 3'],
  ['dp=4', 1, 'throw', 'no more'],
  ['tp=2', 1, 'stall', 'no call and no heartbeat for 2 s'],
] as const)('%s: rank %i ends by %s in the middle of the run', async (layout, dying, death, problem) => {
  const recorders = join(root, `recorders-${death}`);
  const error = await failureOf(runDying(layout, dying, death, recorders));
  expect(error.code).toBe('RANK_FAILED');
  expect(error.values).toMatchObject({ rank: dying, problem });
  // Every rank tells what it did last.
  const ranks = talkOf({
    config,
    layout: parseLayout(layout),
    seqLen: 8,
    microBatch: 1,
    microbatches: 2,
    precision: 'f64',
  });
  for (let rank = 0; rank < ranks.size; rank++)
    expect(readFileSync(join(recorders, `rank-${rank}.json`), 'utf8')).toContain('gradient');
});
