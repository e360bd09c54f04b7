// The audit: what was predicted from the program alone is what ranks then send, compute and hold.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { checkFit } from '../src/model/fit.ts';
import { predictRank, timesSteps } from '../src/plan/predict-step.ts';
import { runWorld } from '../src/runtime/world.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { talkOf } from '../src/step/talk.ts';
import { buildTrainingStep } from '../src/step/training-step.ts';
import type { TrainJob } from '../src/train/job.ts';
import { bytesSentOf } from '../src/train/launch.ts';
import { optimizerDefaults } from '../src/train/optimizer.ts';
import type { AuditResult } from './audit-rank.ts';

const folder = mkdtempSync(join(tmpdir(), 'fivefold-audit-'));
const pool = createPool();
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});
const tokenFile = join(folder, 'tokens.i32.bin');
const vocab = 515;
writeFileSync(
  tokenFile,
  Int32Array.from({ length: 4096 }, (_, i) => (i * 7919) % vocab),
);

const configs = {
  llama: parseModelConfig(
    {
      model_type: 'llama',
      vocab_size: vocab,
      hidden_size: 192,
      num_hidden_layers: 4,
      num_attention_heads: 8,
      num_key_value_heads: 2,
      intermediate_size: 512,
      tie_word_embeddings: true,
    },
    'llama',
  ),
  gpt2: parseModelConfig(
    { model_type: 'gpt2', vocab_size: vocab, n_embd: 192, n_layer: 4, n_head: 8, n_positions: 256 },
    'gpt2',
  ),
};

const steps = 2;
const batch = { seqLen: 64, globalBatch: 4, microBatch: 1 };

const cases = [
  ['tp=1', 'llama', 'f32'],
  ['tp=1', 'gpt2', 'f64'],
  ['tp=2', 'llama', 'f64'],
  ['tp=2,sp', 'gpt2', 'f32'],
  ['tp=4', 'llama', 'f32'],
  ['dp=4', 'llama', 'f32'],
  ['pp=2', 'llama', 'f32'],
  ['pp=4,schedule=gpipe', 'gpt2', 'f32'],
  ['pp=3,stages=1+2+1', 'llama', 'f32'],
  ['tp=2,pp=2,dp=2,sp', 'llama', 'f32'],
] as const;

test.each(cases)('%s, %s in %s', async (text, family, precision) => {
  const config = configs[family];
  const layout = parseLayout(text);
  const microbatches = checkFit(config, layout, batch);
  const settings: StepSettings = { config, layout, ...batch, microbatches, precision };
  const talk = talkOf(settings);
  const job: TrainJob = {
    settings,
    optimizer: optimizerDefaults(1e-3, steps),
    seed: 1,
    sources: [{ path: tokenFile }],
    heldOut: 0,
    stepsDone: 0,
    lastStep: steps,
    resume: false,
    measuresRate: false,
    trace: false,
  };
  const ranks = (await runWorld({
    plan: { ...talk, timeoutSeconds: 60 },
    rankModule: new URL('./audit-rank.ts', import.meta.url),
    jobs: Array.from({ length: talk.size }, () => job),
    pool,
  })) as AuditResult[];

  const programs = ranks.map((_, rank) => buildTrainingStep(settings, rank));
  const predicted = programs.map((program) => timesSteps(predictRank(program), steps));
  expect(ranks.map(({ counters }) => bytesSentOf(counters))).toEqual(predicted.map(({ bytesSent }) => bytesSent));
  expect(ranks.map(({ flops }) => flops)).toEqual(predicted.map(({ flops }) => flops));
  for (const [rank, { peakBytes, heldBytes }] of ranks.entries()) {
    const { buffers, livePeakBytes } = programs[rank]!;
    const lasting = buffers.reduce((sum, { role, bytes }) => sum + (role === 'activation' ? 0 : bytes), 0);
    const { peakBytes: expected } = predicted[rank]!;
    // What V8 says the thread holds; besides buffers (a graph not yet collected, constants) that is some 0.2 MB a rank.
    expect(Math.abs(heldBytes / expected - 1)).toBeLessThan(0.05);
    // What the runtime itself counted while allocating.
    expect(peakBytes).toBe(expected);
    // How well buffers are packed: the arena against the most that is alive at once.
    expect(peakBytes).toBeLessThanOrEqual(1.1 * (lasting + livePeakBytes));
  }
});

/** Llama 3.1 405B. */
const llama405b = parseModelConfig(
  {
    model_type: 'llama',
    vocab_size: 128256,
    hidden_size: 16384,
    num_hidden_layers: 126,
    num_attention_heads: 128,
    num_key_value_heads: 8,
    intermediate_size: 53248,
    max_position_embeddings: 131072,
  },
  'llama',
);

test('predicting 405B parameters allocates nothing of their size', () => {
  const layout = parseLayout('tp=8,pp=16,dp=2,sp');
  const shape = { seqLen: 8192, globalBatch: 64, microBatch: 1 };
  const settings: StepSettings = {
    config: llama405b,
    layout,
    seqLen: shape.seqLen,
    microBatch: shape.microBatch,
    microbatches: checkFit(llama405b, layout, shape),
    precision: 'f32',
  };
  const before = process.memoryUsage().arrayBuffers;
  const { peakBytes, flops, bytesSent } = predictRank(buildTrainingStep(settings, 0));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e6);
  // A 128th of 406e9 weights (dp copies them), 16 bytes each with gradient and both moments, and activations on top.
  expect(peakBytes).toBeGreaterThan((16 * 406e9) / (8 * 16));
  // 6 FLOPs a weight and token, on a 256th of them; recomputed attention adds to it.
  const share = (6 * 405e9 * shape.seqLen * shape.globalBatch) / 256;
  expect(flops / share).toBeGreaterThan(1);
  expect(flops / share).toBeLessThan(1.5);
  expect(Object.keys(bytesSent).sort()).toEqual(['dp', 'pp', 'tp']);
});
