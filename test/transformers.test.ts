// A mixture of experts that Hugging Face transformers saved: trained here as PyTorch trains it there, written, and loaded there again.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../src/checkpoint/hf-directory.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import type { ModelConfig } from '../src/model/config.ts';
import { parseModelConfig } from '../src/model/families.ts';
import type { TrainSettings } from '../src/train/settings.ts';
import { type TrainOptions, train } from '../src/train/train.ts';
import { logitsOf } from './logits.ts';
import { openNumbers } from './open-numbers.ts';
import { savedTensors } from './saved-numbers.ts';
import { sharedPool } from './shared-pool.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { difference } from './whole-tensors.ts';

const root = temporaryFolder('transformers');
const pool = sharedPool();

const fixtureOf = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
const fixture = fixtureOf('mixtral-trained');
const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const { losses, gradNorms, ...settings } = readJson(join(fixture, 'training.json')) as TrainSettings & {
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  readonly seqLen: number;
  readonly learningRate: number;
};
const { file, numbers, integers } = openNumbers(join(fixture, 'trained.safetensors'));
const tokens = integers('tokens');
const sequences = Array.from({ length: (tokens.length - 1) / settings.seqLen }, (_, w) =>
  tokens.slice(w * settings.seqLen, (w + 1) * settings.seqLen + 1),
);
const data = join(root, 'tokens.i32.bin');
writeFileSync(data, Int32Array.from(tokens));

/** Trains in double on the fixture's sequences; where it was saved. */
async function trained(given: TrainOptions) {
  const out = join(mkdtempSync(join(root, 'run-')), 'out');
  const { steps } = await train({ ...settings, data, precision: 'f64', ...given, out, pool });
  return { out, losses: steps.map(({ loss }) => loss), gradNorms: steps.map(({ gradNorm }) => gradNorm) };
}

/** The fixture's steps, at its one learning rate. */
const asThere = (layout: string) =>
  trained({ model: fixture, layout, warmupSteps: 0, minLearningRate: settings.learningRate });

/** [sequences, tokens, vocabulary], in double, by one rank. */
const logitsFrom = (weights: string, config: ModelConfig): Promise<Float64Array> => {
  const ids = sequences.flatMap((row) => row.slice(0, -1));
  const { seqLen } = settings;
  return logitsOf({ config, layout: parseLayout('tp=1'), seqLen, precision: 'f64', weights, ids }, pool);
};

const configOf = (directory: string): ModelConfig =>
  parseModelConfig(readJson(join(directory, 'config.json')), directory);

/**
 * Of the largest number: everything is in double, summed in another order, which leaves 1e-15; AdamW divides by the size of a gradient, which
 * makes it some 1e-13 over the steps.
 */
const tolerance = 1e-11;

test.each(['tp=1', 'ep=2', 'ep=2,dp=2,zero=2', 'tp=2,ep=2'])('%s: six steps are those of PyTorch', async (layout) => {
  const ran = await asThere(layout);
  expect(difference(ran.losses, losses)).toBeLessThan(tolerance);
  expect(difference(ran.gradNorms, gradNorms)).toBeLessThan(tolerance);

  // What was written has the tensors that save_pretrained writes, and its config.json.
  const theirs = openCheckpoint(fixture);
  const ours = openCheckpoint(ran.out);
  const shapes = ({ tensors }: typeof ours) =>
    Object.fromEntries([...tensors].map(([name, { shape, dtype }]) => [name, { shape, dtype }]));
  expect(shapes(ours)).toEqual(shapes(theirs));
  for (const checkpoint of [theirs, ours]) checkpoint.close();
  expect(readJson(join(ran.out, 'config.json'))).toEqual(readJson(join(fixture, 'config.json')));

  const named = [...file.tensors.keys()].filter((name) => name.startsWith('trained.'));
  const weights = savedTensors(ran.out);
  const wrong = named
    .map((name) => ({ name, size: difference(weights.get(name.slice('trained.'.length))!, numbers(name)) }))
    .filter(({ size }) => !(size < tolerance));
  expect(wrong).toEqual([]);
  expect(difference(await logitsFrom(ran.out, configOf(ran.out)), numbers('logits'))).toBeLessThan(tolerance);
});

/** An interpreter with torch and transformers: FIVEFOLD_PYTHON=python3 npx vitest run test/transformers.test.ts */
const fixtures =
  'gpt2 deepseek-v2 deepseek-v3 gemma gemma3 llama llama-mqa mistral mixtral nemotron qwen2 qwen2-moe qwen3 qwen3-moe llama-sharded-bf16'.split(
    ' ',
  );
const python = process.env.FIVEFOLD_PYTHON;

test.skipIf(python === undefined)(
  'what was written loads in transformers, of every family, with our logits and loss',
  async () => {
    const outs: { name: string; out: string }[] = [{ name: 'the steps of PyTorch', ...(await asThere('ep=2')) }];
    for (const name of fixtures) {
      const set = name === 'gpt2' ? ['attn_pdrop=0', 'embd_pdrop=0', 'resid_pdrop=0'] : [];
      const { out } = await trained({ model: fixtureOf(name), set, layout: 'tp=2', steps: 1 });
      outs.push({ name, out });
    }
    const rounded = await trained({ model: fixture, layout: 'ep=2', weightsType: 'bf16', steps: 1 });
    const preset = await trained({ model: 'mixtral-tiny', layout: 'ep=2', precision: 'f32', steps: 1 });
    outs.push({ name: 'in bf16', ...rounded }, { name: 'a preset', ...preset });

    const script = fileURLToPath(new URL('../tools/load-in-transformers.py', import.meta.url));
    const argv = [script, JSON.stringify(sequences), ...outs.map(({ out }) => out)];
    const lines = execFileSync(python!, argv, { encoding: 'utf8', maxBuffer: 2 ** 28 })
      .trim()
      .split('\n');
    expect(lines.length).toBe(outs.length);
    for (const [i, { name, out }] of outs.entries()) {
      const { logits, loss, ...problems } = JSON.parse(lines[i]!) as { logits: number[][][]; loss: number };
      expect(problems, name).toEqual({ missing: [], unexpected: [], mismatched: [] });
      const config = configOf(out);
      const ours = await logitsFrom(out, config);
      // The weights are the same numbers: sums in another order.
      expect(difference(ours, logits.flat(2)), name).toBeLessThan(1e-13);
      expect(Math.abs(crossEntropy(ours, config) - loss) / loss, name).toBeLessThan(1e-13);
      if (i === 0) expect(difference(logits.flat(2), numbers('logits'))).toBeLessThan(tolerance);
    }
  },
  600_000,
);

/** Of the next tokens, in nats. */
function crossEntropy(logits: Float64Array, { vocabSize }: ModelConfig): number {
  const targets = sequences.flatMap((row) => row.slice(1));
  const terms = targets.map((target, i) => {
    const row = logits.subarray(i * vocabSize, (i + 1) * vocabSize);
    return Math.log(row.reduce((sum, each) => sum + Math.exp(each), 0)) - row[target]!;
  });
  return terms.reduce((sum, each) => sum + each, 0) / targets.length;
}
