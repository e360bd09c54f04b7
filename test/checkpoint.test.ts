// Checkpoints of whole runs: saved in one layout and gone on with in another, as if nothing had happened; even after kill -9.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readManifest } from '../src/checkpoint/commit.ts';
import { openCheckpoint } from '../src/checkpoint/hf-directory.ts';
import { keptSteps } from '../src/checkpoint/keep.ts';
import { findModel } from '../src/checkpoint/model-source.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { parseModelConfig } from '../src/model/families.ts';
import { type TrainOptions, train } from '../src/train/train.ts';
import { savedTensors } from './saved-numbers.ts';
import { sharedPool } from './shared-pool.ts';
import { temporaryFolder, writeTokens } from './temporary-folder.ts';
import { typescript } from './typescript.ts';
import { difference } from './whole-tensors.ts';

const root = temporaryFolder('checkpoint');
const pool = sharedPool();
const vocab = 37;
const tokenFile = writeTokens(join(root, 'tokens.i32.bin'), 3000, vocab);

const configs = {
  llama: {
    model_type: 'llama',
    vocab_size: vocab,
    hidden_size: 16,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 24,
    tie_word_embeddings: true,
  },
  gpt2: {
    model_type: 'gpt2',
    vocab_size: vocab,
    n_embd: 16,
    n_layer: 3,
    n_head: 4,
    n_positions: 32,
    tie_word_embeddings: false,
  },
  mixtral: {
    model_type: 'mixtral',
    vocab_size: vocab,
    hidden_size: 16,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 8,
    num_local_experts: 4,
  },
};
type Family = keyof typeof configs;

const run = (family: Family, layout: string, options: Partial<TrainOptions> = {}) =>
  train({
    ...(options.resume ? {} : { model: { config: parseModelConfig(configs[family], family) } }),
    data: tokenFile,
    layout: parseLayout(layout),
    precision: 'f64',
    steps: 6,
    learningRate: 1e-2,
    seed: 5,
    seqLen: 8,
    globalBatch: 4,
    microBatch: 1,
    timeoutSeconds: 30,
    pool,
    ...options,
  });

const lossesOf = async (summary: ReturnType<typeof run>) => (await summary).steps.map(({ loss }) => loss);

/** The contents of a directory's weight and optimizer files. */
const savedBytes = (directory: string) =>
  Object.fromEntries(
    readdirSync(directory)
      .filter((name) => name.endsWith('.safetensors'))
      .map((name) => [name, readFileSync(join(directory, name)).toString('base64')]),
  );

/** The first three steps of a run of six, saved: the schedule of learning rates is that of all six. */
async function savedHalf(family: Family, layout: string, options: Partial<TrainOptions>): Promise<string> {
  const out = mkdtempSync(join(root, 'half-'));
  await run(family, layout, { ...options, out, steps: 3, decaySteps: 6 });
  expect(readManifest(out)?.step).toBe(3);
  return out;
}

test.each([
  ['llama', 'tp=2,pp=2,sp', ['tp=1', 'dp=4', 'tp=4,pp=2', 'pp=3']],
  ['gpt2', 'tp=4,dp=2', ['tp=1', 'tp=2,pp=3,sp', 'pp=2,dp=2,schedule=gpipe']],
  // A tied head and an odd vocabulary, all of the state in parts on either side.
  ['llama', 'tp=2,dp=3,zero=3', ['pp=2,virtual=2,dp=2,zero=1'], 12],
  ['llama', 'pp=4,schedule=zb-h1', ['tp=4,dp=2,sp,zero=3']],
  // A tensor for each expert, of which ranks hold parts.
  ['mixtral', 'tp=2,dp=2,zero=3', ['tp=1', 'pp=3,dp=2,zero=1', 'tp=2,ep=2']],
  ['mixtral', 'ep=2,dp=2,zero=1', ['tp=4,sp', 'ep=4,pp=3,zero=3']],
] as const)('%s saved in %s goes on in any layout as one rank that never stopped', async (...saving) => {
  const [family, saved, layouts, globalBatch = 4] = saving;
  const whole = await lossesOf(run(family, 'tp=1', { globalBatch }));
  const half = await savedHalf(family, saved, { globalBatch });
  for (const layout of layouts) {
    const rest = await lossesOf(
      run(family, layout, { globalBatch, resume: half, out: join(root, `${family}-on-${layout}`) }),
    );
    expect(rest.length).toBe(3);
    expect(difference(rest, whole.slice(3))).toBeLessThan(1e-10);
  }
});

test('the same layout goes on bit for bit', async () => {
  const layout = 'tp=2,pp=2,dp=2,sp';
  for (const precision of ['f64', 'f32'] as const) {
    const out = (name: string) => join(root, `${precision}-${name}`);
    const options = { precision, decaySteps: 4 };
    const whole = await lossesOf(run('llama', layout, { ...options, steps: 4, out: out('whole') }));
    const first = await lossesOf(run('llama', layout, { ...options, steps: 2, out: out('first') }));
    const resume = out('first');
    const second = await lossesOf(run('llama', layout, { ...options, steps: 4, out: out('second'), resume }));
    expect([...first, ...second]).toEqual(whole);
    expect(savedBytes(out('second'))).toEqual(savedBytes(out('whole')));
  }
});

test('what is written beside the steps is what ranks write that wait for it', async () => {
  for (const weightsType of ['f32', 'bf16'] as const) {
    const out = (name: string) => join(root, `beside-${weightsType}-${name}`);
    const options = { precision: 'f32', decaySteps: 7, globalBatch: 8, weightsType } as const;
    await run('gpt2', 'tp=2,dp=2,zero=3', { ...options, steps: 3, out: out('waited') });
    await run('gpt2', 'tp=2,dp=2,zero=3', { ...options, steps: 7, saveEvery: 3, keep: 9, out: out('beside') });
    const kept = keptSteps(out('beside'));
    expect(kept.map(({ step }) => step)).toEqual([3, 6]);
    expect(savedBytes(kept[0]!.path)).toEqual(savedBytes(out('waited')));
  }
});

test('what any layout saves is the same tensors', async () => {
  const directories: string[] = [];
  for (const layout of ['tp=1', 'tp=4,dp=2', 'tp=2,pp=3,sp', 'tp=2,dp=3,zero=3']) {
    const out = join(root, `saved-${layout}`);
    await run('gpt2', layout, { out, steps: 3, globalBatch: 12 });
    directories.push(out);
  }
  const [one, ...others] = directories.map(savedTensors);
  for (const other of others) {
    expect([...other.keys()].sort()).toEqual([...one!.keys()].sort());
    const wrong = [...one!]
      .map(([name, values]) => ({ name, size: difference(other.get(name)!, values) }))
      .filter(({ size }) => !(size < 1e-10));
    expect(wrong).toEqual([]);
  }
});

test('what we save opens as a model', async () => {
  const out = join(root, 'as-model');
  await run('gpt2', 'tp=2,pp=2', { out, steps: 2 });
  const model = findModel(out);
  expect(model.config).toEqual(parseModelConfig({ ...configs.gpt2, dtype: 'float64' }, 'gpt2'));
  // From its weights, but a new optimizer and the data's first sequences.
  const fresh = await run('gpt2', 'tp=4', { steps: 1 });
  const [start] = await lossesOf(run('gpt2', 'tp=4', { model, steps: 1 }));
  expect(start).not.toBe(fresh.steps[0]!.loss);
  expect(await lossesOf(run('gpt2', 'tp=1', { model, steps: 1 }))).toEqual([expect.closeTo(start!, 10)]);
});

test('a sharded bf16 directory starts a training run, in any layout alike', async () => {
  const model = findModel(fileURLToPath(new URL('./fixtures/llama-sharded-bf16', import.meta.url)));
  const one = await lossesOf(run('llama', 'tp=1', { model, steps: 2 }));
  const many = await lossesOf(run('llama', 'tp=2,pp=2,dp=2', { model, steps: 2 }));
  expect(difference(many, one)).toBeLessThan(1e-10);
});

test('the saved config names the type the weights are saved in, not the one they came from', async () => {
  const model = findModel(fileURLToPath(new URL('./fixtures/llama-sharded-bf16', import.meta.url)));
  const out = join(root, 'from-bf16');
  await run('llama', 'tp=1', { model, steps: 1, precision: 'f32', out });
  // Read as bfloat16 by transformers, the trained digits would be lost.
  expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toMatchObject({ dtype: 'float32' });
  expect(new Set([...openCheckpoint(out).tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
});

/** A bf16 number: the value, rounded to 8 binary digits, to the even one of two as near. Right for what trained weights are. */
function roundedToBF16(value: number): number {
  if (value === 0) return value;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 7);
  const units = value / unit;
  const down = Math.floor(units);
  const up = units - down > 0.5 || (units - down === 0.5 && down % 2 !== 0);
  return (down + (up ? 1 : 0)) * unit;
}

test('weights saved in bf16 are the rounded ones, and the run goes on bit for bit from the exact ones', async () => {
  const layout = 'tp=2,pp=2,sp';
  for (const precision of ['f64', 'f32'] as const) {
    const out = (name: string) => join(root, `bf16-${precision}-${name}`);
    const options = { precision, decaySteps: 4 };
    const whole = await lossesOf(run('gpt2', layout, { ...options, steps: 4, out: out('whole') }));
    const bf16 = { ...options, weightsType: 'bf16' } as const;
    await run('gpt2', layout, { ...bf16, steps: 2, out: out('half') });
    const second = { ...bf16, steps: 4, out: out('half'), resume: out('half') };
    expect(await lossesOf(run('gpt2', layout, second))).toEqual(whole.slice(2));

    const [exact, saved] = [savedTensors(out('whole')), savedTensors(out('half'))];
    const checkpoint = openCheckpoint(out('half'));
    checkpoint.close();
    expect(checkpoint.tensors.size).toBeGreaterThan(10);
    for (const [name, { dtype }] of checkpoint.tensors) {
      expect(dtype).toBe('BF16');
      expect(saved.get(`${name}.master`)).toEqual(exact.get(name));
      expect(saved.get(name)).toEqual(exact.get(name)!.map(roundedToBF16));
      expect(saved.get(name)).not.toEqual(exact.get(name));
    }
    expect(JSON.parse(readFileSync(join(out('half'), 'config.json'), 'utf8'))).toMatchObject({ dtype: 'bfloat16' });
  }
});

test('rounded weights without the exact ones are nothing to go on from', async () => {
  const out = join(root, 'no-masters');
  await run('llama', 'tp=1', { out, steps: 1, weightsType: 'bf16' });
  const path = join(out, 'optimizer-step000001.safetensors');
  // Another name of the same length, in the header.
  writeFileSync(path, readFileSync(path, 'latin1').replaceAll('.master', '.mister'), 'latin1');
  await expect(run('llama', 'tp=1', { resume: out, steps: 2 })).rejects.toThrow(
    /rounded to BF16 and not as it was trained/,
  );
  // Its weights alone start another run.
  await run('llama', 'tp=1', { model: findModel(out), steps: 1 });
});

test('steps that are kept are loaded and gone on with like any checkpoint', async () => {
  const out = join(root, 'kept');
  const whole = await lossesOf(run('llama', 'tp=2', { out, saveEvery: 1, keep: 3 }));
  expect(keptSteps(out).map(({ step }) => step)).toEqual([4, 5]);
  expect(readManifest(out)?.step).toBe(6);
  for (const { step, path } of keptSteps(out)) {
    const rest = run('llama', 'tp=2', { resume: path, out: join(root, `kept-${step}`) });
    expect(await lossesOf(rest)).toEqual(whole.slice(step));
    expect(findModel(path).weights).toBe(path);
  }
});

test('a second run into the directory of one is refused at once, also from the checkpoint there', async () => {
  const out = join(root, 'busy');
  const refused: Promise<unknown>[] = [];
  const onReport = ({ kind }: { readonly kind: string }) => {
    if (kind !== 'saved') return;
    for (const resume of [{}, { resume: out }])
      refused.push(run('llama', 'tp=1', { out, ...resume }).catch((error: unknown) => error));
  };
  await run('llama', 'tp=1', { out, steps: 3, saveEvery: 1, onReport });
  expect(refused.length).toBe(6);
  for (const error of await Promise.all(refused)) expect(error).toMatchObject({ code: 'OUT_BUSY', exit: 2 });
  expect(readdirSync(out)).not.toContain('.fivefold-lock');
  expect(readManifest(out)?.step).toBe(3);
});

test('a run whose directory is removed while it trains fails, saying so, and makes none anew', async () => {
  const out = join(root, 'removed');
  const onReport = ({ kind }: { readonly kind: string }) => {
    if (kind === 'saved') rmSync(out, { recursive: true, force: true });
  };
  const error = await run('llama', 'tp=2', { out, steps: 100_000, saveEvery: 1, onReport }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'SAVE_FAILED', exit: 1 });
  expect((error as Error).message).toMatch(/the directory was removed while the run went on|it does not exist/);
  expect(existsSync(out)).toBe(false);
});

const trainForEver = `
import { train } from ${JSON.stringify(new URL('../src/train/train.ts', import.meta.url))};
import { parseLayout } from ${JSON.stringify(new URL('../src/mesh/layout.ts', import.meta.url))};
import { parseModelConfig } from ${JSON.stringify(new URL('../src/model/families.ts', import.meta.url))};
import { readdirSync, watch } from 'node:fs';
const [out, tokenFile, config, resume] = process.argv.slice(1);
watch(out, (_, name) => { if (name?.includes('.safetensors')) console.log('file ' + name); });
await train({
  ...(resume ? {} : { model: { config: parseModelConfig(JSON.parse(config), 'config') } }),
  data: tokenFile, layout: parseLayout('tp=2'), precision: 'f64', steps: 100000, learningRate: 1e-3, seed: 5,
  seqLen: 8, globalBatch: 4, microBatch: 1, out, saveEvery: 1, ...(resume ? { resume } : {}),
  onReport: (report) => { if (report.kind === 'saved') console.log('saved ' + report.step); },
});`;

/** Trains in a process of its own and kills it at the first file of another step after so many saves. Returns the last step it said was saved. */
async function killedInASave(out: string, saves: number, resume?: string): Promise<number> {
  const args = [...typescript, '--input-type=module', '-e', trainForEver, out, tokenFile];
  const child = spawn(process.execPath, [...args, JSON.stringify(configs.llama), ...(resume ? [resume] : [])], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('exit', (_, signal) => resolve(signal)));
  let said = 0;
  let seen = 0;
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('saved')) {
      said = Number(line.split(' ')[1]);
      seen++;
    } else if (seen >= saves && Number(/step0*(\d+)/.exec(line)?.[1]) > said) child.kill('SIGKILL');
  }
  expect(await ended).toBe('SIGKILL');
  return said;
}

test('a run killed in the middle of a save goes on from the last one it finished', async () => {
  const out = mkdtempSync(join(root, 'killed-'));
  const said = await killedInASave(out, 2);
  const step = Number(readManifest(out)?.step);
  expect(step).toBeGreaterThanOrEqual(said);
  expect(said).toBeGreaterThanOrEqual(2);
  for (const values of savedTensors(out).values()) expect(values.every(Number.isFinite)).toBe(true);

  // Again, now resumed, into the same directory; then to the end in another layout.
  const saidAgain = await killedInASave(out, 1, out);
  expect(saidAgain).toBeGreaterThan(step);
  const last = Number(readManifest(out)?.step);
  const common = { steps: 100_000, learningRate: 1e-3 };
  const options = { ...common, decaySteps: common.steps, steps: last + 2 };
  const resumed = await lossesOf(run('llama', 'pp=3', { ...options, resume: out, out: join(root, 'after-kills') }));
  const whole = await lossesOf(run('llama', 'tp=1', options));
  expect(difference(resumed, whole.slice(last))).toBeLessThan(1e-10);
});
