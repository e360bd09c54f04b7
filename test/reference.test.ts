// Against the outside world: logits, loss and every gradient of models that Hugging Face transformers computed in f64.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { forEachRun } from '../src/checkpoint/ranges.ts';
import { storedBoxes } from '../src/checkpoint/shards.ts';
import { type Layout, parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { checkFit } from '../src/model/fit.ts';
import { type Part, paramSpecs } from '../src/model/params.ts';
import { stageParts } from '../src/model/stages.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { optimizerDefaults } from '../src/train/optimizer.ts';
import type { EqualityJob, EqualityResult } from './equality-rank.ts';
import { runEquality } from './equality-run.ts';
import { fullRanges } from './full-ranges.ts';
import { logitsOf } from './logits.ts';
import { openNumbers } from './open-numbers.ts';
import { sharedPool } from './shared-pool.ts';
import { assemble, difference } from './whole-tensors.ts';

const pool = sharedPool();

type Precision = StepSettings['precision'];
const precisions = ['f64', 'f32'] as const;

/** Of each tensor's largest element. The references are f64: another order of summing leaves 1e-13, f32 some 1e-6. */
const tolerances: Readonly<Record<Precision, number>> = { f64: 1e-9, f32: 1e-4 };

const batch = 2;
const length = 12;

/** What a layout is tried with: blocks that the short sequences fill once and a rest, and the sizes that users have. */
type Blocks = Pick<StepSettings, 'attentionBlock' | 'lossBlock'>;
const cut: Blocks = { attentionBlock: 5, lossBlock: 7 };
const triedOf = (...layouts: readonly (readonly [text: string, blocks?: Blocks])[]) =>
  layouts.map(([text, blocks = {}]) => ({ layout: parseLayout(text), ...blocks }));
type Tried = ReturnType<typeof triedOf>[number];

function openFixture(name: string, configName = 'config.json') {
  const path = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
  const config = parseModelConfig(JSON.parse(readFileSync(join(path, configName), 'utf8')), path);
  const { file, numbers, integers } = openNumbers(join(path, 'reference.safetensors'));
  return { path, config, numbers, ids: integers('input_ids'), tensors: [...file.tensors.keys()] };
}

type Fixture = ReturnType<typeof openFixture>;

const logitsOfFixture = ({ config, path, ids }: Fixture, tried: Tried, precision: Precision): Promise<Float64Array> =>
  logitsOf({ config, ...tried, seqLen: length, precision, weights: path, ids }, pool);

async function trainOnce(
  { config, path, ids }: Fixture,
  tried: Tried & Pick<StepSettings, 'router'>,
  precision: Precision,
) {
  const { layout } = tried;
  const sequences = Array.from({ length: batch }, (_, row) => {
    const tokens = Int32Array.from(ids.slice(row * length, (row + 1) * length));
    return { inputs: tokens.subarray(0, -1), targets: tokens.subarray(1) };
  });
  const microbatches = checkFit(config, layout, { seqLen: length - 1, globalBatch: batch, microBatch: 1 });
  const settings: StepSettings = { config, ...tried, seqLen: length - 1, microBatch: 1, microbatches, precision };
  const job: EqualityJob = { settings, optimizer: optimizerDefaults(1e-3, 1), steps: 1, sequences, weights: path };
  const results = await runEquality(job, pool);
  const gradients = wholeGradients(results, config, layout);
  return { losses: results.map(({ losses }) => losses[0]!), figures: results.map(({ figures }) => figures), gradients };
}

/** By the checkpoint's names: the pieces of a fused tensor put side by side, experts apart. */
function wholeGradients(results: readonly EqualityResult[], config: Fixture['config'], layout: Layout) {
  const wholes = assemble(results).get('gradient 1')!;
  const parts: Part[] = Array.from({ length: layout.pp }, (_, stage) => stageParts(config, layout, stage)).flat();
  const specs = parts.flatMap((part) => paramSpecs(config, layout, part)).filter(({ byLoad }) => !byLoad);
  const gradients = new Map<string, Float64Array>();
  for (const spec of specs)
    for (const { tensor, ranges, start } of storedBoxes(spec, fullRanges(spec.shape))) {
      const size = tensor.shape.reduce((product, dim) => product * dim, 1);
      const whole = gradients.get(tensor.name) ?? new Float64Array(size).fill(Number.NaN);
      gradients.set(tensor.name, whole);
      const own = wholes.get(spec.name)!;
      forEachRun(tensor.shape, ranges, (to, at, count) => whole.set(own.subarray(start + at, start + at + count), to));
    }
  return gradients;
}

const fixtures = [
  ['gpt2', 'config.json'],
  ['deepseek-v2', 'config.json'],
  ['deepseek-v3', 'config.json'],
  ['gemma', 'config.json'],
  ['gemma3', 'config.json'],
  ['llama', 'config.json'],
  ['llama-mqa', 'config.json'],
  ['llama-mqa', 'config-v4.json'],
  ['mistral', 'config.json'],
  ['mixtral', 'config.json'],
  ['nemotron', 'config.json'],
  ['qwen2', 'config.json'],
  ['qwen2-moe', 'config.json'],
  ['qwen3', 'config.json'],
  ['qwen3-moe', 'config.json'],
] as const;

test.each(fixtures)('%s (%s): logits', async (name, configName) => {
  const fixture = openFixture(name, configName);
  const reference = fixture.numbers('logits');
  for (const tried of triedOf(['tp=1'], ['tp=2,pp=2,sp', cut], ['tp=4']))
    for (const precision of precisions) {
      const logits = await logitsOfFixture(fixture, tried, precision);
      expect(difference(logits, reference)).toBeLessThan(tolerances[precision]);
    }
});

test.each(fixtures)('%s (%s): loss and every gradient', async (name, configName) => {
  const fixture = openFixture(name, configName);
  const named = fixture.tensors.filter((tensor) => tensor.startsWith('grad.')).map((tensor) => tensor.slice(5));
  const loss = fixture.numbers('loss')[0]!;
  const isShared = (fixture.config.mixture?.experts ?? 1) % 2 === 0;
  const ofExperts = isShared ? triedOf(['tp=2,ep=2', cut]) : [];
  for (const tried of [...triedOf(['tp=1'], ['tp=2,pp=2,dp=2', cut]), ...ofExperts])
    for (const precision of precisions) {
      const got = await trainOnce(fixture, tried, precision);
      for (const each of got.losses) expect(Math.abs(each - loss) / loss).toBeLessThan(tolerances[precision]);
      expect([...got.gradients.keys()].sort()).toEqual(named.sort());
      const wrong = named
        .map((tensor) => ({ tensor, size: difference(got.gradients.get(tensor)!, fixture.numbers(`grad.${tensor}`)) }))
        .filter(({ size }) => !(size < tolerances[precision]));
      expect(wrong).toEqual([]);
    }
});

test('losses of routers: what they come to, how many slots each expert has, and every gradient', async () => {
  const fixture = openFixture('qwen3-moe');
  const { file, numbers } = openNumbers(join(fixture.path, 'routing.safetensors'));
  const one = (tensor: string) => numbers(tensor)[0]!;
  const router = { auxLoss: one('aux_weight'), zLoss: one('z_weight'), biasRate: 0 };
  const named = [...file.tensors.keys()]
    .filter((tensor) => tensor.startsWith('grad.'))
    .map((tensor) => tensor.slice(5));
  const tokens = one('loss') - router.auxLoss * one('aux_loss') - router.zLoss * one('z_loss');
  const [load, { experts }] = [numbers('load'), fixture.config.mixture!];
  for (const tried of triedOf(['tp=1'], ['tp=2', cut], ['tp=2,pp=2,dp=2,zero=2,recompute=full']))
    for (const precision of precisions) {
      const got = await trainOnce(fixture, { ...tried, router }, precision);
      const limit = tolerances[precision];
      for (const each of got.losses) expect(Math.abs(each - tokens) / tokens).toBeLessThan(limit);
      for (const figures of got.figures) {
        // Of each layer its load, then both losses.
        const rows = [0, 1].map((row) => figures.slice(row * (experts + 2), (row + 1) * (experts + 2)));
        expect(rows.flatMap((row) => row.slice(0, experts))).toEqual([...load]);
        for (const [at, loss] of ['aux_loss', 'z_loss'].entries())
          expect(Math.abs(rows[0]![experts + at]! + rows[1]![experts + at]! - one(loss)) / one(loss)).toBeLessThan(
            limit,
          );
      }
      const wrong = named
        .map((tensor) => ({ tensor, size: difference(got.gradients.get(tensor)!, numbers(`grad.${tensor}`)) }))
        .filter(({ size }) => !(size < limit));
      expect(wrong).toEqual([]);
    }
});

test('logits from a sharded bf16 directory', async () => {
  const fixture = openFixture('llama-sharded-bf16');
  const reference = fixture.numbers('logits');
  // The weights are bf16 and exactly what transformers used; all arithmetic is wider.
  for (const tried of triedOf(['tp=1'], ['tp=2,pp=2']))
    for (const precision of precisions)
      expect(difference(await logitsOfFixture(fixture, tried, precision), reference)).toBeLessThan(
        tolerances[precision],
      );
});
