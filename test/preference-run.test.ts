// Runs of preference optimization as users start them: what is predicted, what is resumed, and which reference they have.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { keptSteps } from '../src/checkpoint/keep.ts';
import { openReference, readReferenceNotes } from '../src/checkpoint/reference-file.ts';
import type { TrainSummary } from '../src/train/launch.ts';
import { referenceName } from '../src/train/reference.ts';
import { type TrainOptions, train } from '../src/train/train.ts';
import { sharedPool } from './shared-pool.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { tinyLlama } from './tiny-llama.ts';

const root = temporaryFolder('preference');
const pool = sharedPool();
const config = join(root, 'config.json');
writeFileSync(config, JSON.stringify(tinyLlama));

const text = 'Some like it hot, some like it cold, some like it in the pot, nine days old.';
const lineOf = (i: number) => ({
  prompt: text.slice(i % 9, (i % 9) + 6),
  chosen: text.slice(i, i + 1 + (i % 11)),
  rejected: text.slice(i + 20, i + 22 + (i % 7)),
});
function dataOf(name: string, count: number): string {
  const path = join(root, name);
  writeFileSync(path, Array.from({ length: count }, (_, i) => `${JSON.stringify(lineOf(i))}\n`).join(''));
  return path;
}
const data = dataOf('pairs.jsonl', 21);

const newOut = (): string => join(mkdtempSync(join(root, 'run-')), 'out');
const small = {
  objective: 'dpo',
  model: config,
  data,
  seqLen: 24,
  globalBatch: 4,
  learningRate: 1e-2,
  precision: 'f64',
  layout: 'tp=1',
  pool,
} as const satisfies TrainOptions;

const lossesOf = ({ steps }: TrainSummary): number[] => steps.map(({ loss }) => loss);
const marginsOf = ({ steps }: TrainSummary): number[] => steps.map(({ figures }) => figures!['rewards/margins']!);

/** f64: sums in another order, and what three steps of AdamW make of that. */
function expectClose(found: readonly number[], expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(1e-9);
}

test('before the first update the policy is the reference: the loss is log 2, all rewards are 0', async () => {
  const { steps } = await train({ ...small, steps: 1 });
  expectClose([steps[0]!.loss], [Math.LN2]);
  const { figures } = steps[0]!;
  for (const name of ['rewards/chosen', 'rewards/rejected', 'rewards/margins', 'rewards/accuracies'])
    expect(figures![name]).toBe(0);
  expect(figures!['logps/chosen']).toBeLessThan(0);
});

test.each(['llama', 'gpt2'])('sequences may be as long as the positions that %s has', async (family) => {
  const path = join(root, `${family}.json`);
  const gpt2 = { model_type: 'gpt2', vocab_size: 257, n_embd: 16, n_layer: 1, n_head: 2, n_positions: 32 };
  const shape =
    family === 'gpt2'
      ? { ...gpt2, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 }
      : { ...tinyLlama, max_position_embeddings: 32 };
  writeFileSync(path, JSON.stringify(shape));
  const { steps } = await train({ ...small, model: path, seqLen: 32, steps: 2 });
  expectClose([steps[0]!.loss], [Math.LN2]);
});

test('it learns to prefer, and says so of held-out pairs too', async () => {
  const evaluated: Readonly<Record<string, number>>[] = [];
  const { steps } = await train({
    ...small,
    steps: 12,
    evalEvery: 12,
    heldOut: 4,
    onReport: (report) => {
      if (report.kind === 'evaluation') evaluated.push({ loss: report.loss, ...report.figures });
    },
  });
  expect(steps.at(-1)!.loss).toBeLessThan(0.8 * Math.LN2);
  expect(steps.at(-1)!.figures!['rewards/accuracies']).toBe(1);
  expect(evaluated.length).toBe(1);
  // -log σ is convex: the loss of the mean margin is no more than the mean loss.
  const { loss, 'rewards/margins': margin } = evaluated[0]!;
  expect(loss!).toBeGreaterThanOrEqual(Math.log1p(Math.exp(-margin!)) - 1e-12);
});

test.each([
  'tp=2,sp',
  'dp=2,zero=3,recompute=full',
  'pp=2,dp=2,schedule=zb-h1,zero=2',
  'tp=2,pp=2,virtual=1,schedule=gpipe',
  'cp=2',
  'cp=2,cpMode=gather,pp=2',
  'cp=2,cpMode=ulysses,dp=2,zero=1',
])('with %s losses are those of one rank, and what is predicted is what happens', async (layout) => {
  const run = { ...small, steps: 3, evalEvery: 2, heldOut: 5, evalSequences: 4, pack: true, microBatch: 1 } as const;
  await expectAsOneRank(run, layout);
});

test.each(['dp=2', 'cp=2,dp=2'])('with %s and pairs dealt out by their cost, too', async (layout) => {
  const run = { ...small, steps: 3, globalBatch: 6, evalEvery: 2, heldOut: 4, pack: 'balanced' } as const;
  await expectAsOneRank(run, layout);
});

async function expectAsOneRank(run: TrainOptions, layout: string): Promise<void> {
  const one = await train(run);
  const many = await train({ ...run, layout });
  expectClose(lossesOf(many), lossesOf(one));
  expectClose(marginsOf(many), marginsOf(one));
  for (const { ranks, predicted, bytesSent } of [one, many]) {
    expect(ranks.map(({ flops }) => flops)).toEqual(predicted.map(({ flops }) => flops));
    expect(ranks.map(({ peakBytes }) => peakBytes)).toEqual(predicted.map(({ peakBytes }) => peakBytes));
    expect(bytesSent).toEqual(predicted.map((each) => each.bytesSent));
  }
}

test('a resumed run has the reference it was started with, in any layout, and computes none', async () => {
  const [whole, half] = [newOut(), newOut()];
  const uninterrupted = await train({ ...small, steps: 4, out: whole });
  await train({ ...small, steps: 2, decaySteps: 4, warmupSteps: 1, out: half });
  const reference = readFileSync(join(half, referenceName));
  expect(reference.equals(readFileSync(join(whole, referenceName)))).toBe(true);
  const elsewhere = newOut();
  const passes: unknown[] = [];
  const onReport: TrainOptions['onReport'] = (report) => void (report.kind === 'reference' && passes.push(report));
  const resumed = await train({ resume: half, steps: 4, layout: 'pp=2', out: elsewhere, pool, onReport });
  expectClose(lossesOf(resumed), lossesOf(uninterrupted).slice(2));
  expectClose(marginsOf(resumed), marginsOf(uninterrupted).slice(2));
  // It prefers already; by a reference made anew its first margin would be 0.
  expect(marginsOf(resumed)[0]).not.toBe(0);
  expect(passes).toEqual([]);
  expect(readFileSync(join(elsewhere, referenceName)).equals(reference)).toBe(true);
});

test('the reference is that of the weights a run starts from, whatever the layout, and says what it was made from', async () => {
  const [start, tuned, again] = [newOut(), newOut(), newOut()];
  await train({ ...small, steps: 3, out: start });
  await train({ ...small, model: start, steps: 1, out: tuned });
  await train({ ...small, model: start, layout: 'tp=2,dp=2', pack: true, steps: 1, out: again });
  const [first, second, third] = [start, tuned, again].map((out) => openReference(join(out, referenceName)));
  const all = (reader: typeof first) => Array.from({ length: 21 }, (_, pair) => reader!.of(pair)).flat();
  expect(first!.pairs).toBe(21);
  expectClose(all(third), all(second));
  expect(Math.max(...all(second).map((value, i) => Math.abs(value - all(first)[i]!)))).toBeGreaterThan(0.1);
  for (const reader of [first, second, third]) reader!.close();
  const { notes } = readReferenceNotes(join(tuned, referenceName));
  expect(notes).toMatchObject({ model: start, precision: 'f64', data: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(readReferenceNotes(join(start, referenceName)).notes.weights).toBe('initial, seed 0');
});

test('with restarts, the same command goes on with a run of pairs, and another objective or beta does not', async () => {
  const [out, elsewhere] = [newOut(), newOut()];
  const same = { ...small, decaySteps: 4, saveEvery: 1, restart: 1, out } as const;
  const whole = await train({ ...small, decaySteps: 4, steps: 4 });
  await train({ ...same, steps: 2 });
  const rest = await train({ ...same, steps: 4 });
  expectClose(lossesOf(rest), lossesOf(whole).slice(2));
  expectClose(marginsOf(rest), marginsOf(whole).slice(2));
  await expect(train({ ...same, beta: 0.3, steps: 5 })).rejects.toThrow(/beta: 0.3 is not the 0.1 in the run/);
  await train({ ...small, beta: 0.3, steps: 1, out: elsewhere });
  const other = { resume: elsewhere, steps: 5, saveEvery: 1, restart: 1, out, pool };
  await expect(train(other)).rejects.toMatchObject({ exit: 2 });
});

test('a kept step is gone on with by the reference of its run', async () => {
  const out = newOut();
  const whole = await train({ ...small, steps: 3, saveEvery: 1, keep: 3, out });
  const { path } = keptSteps(out)[0]!;
  const resumed = await train({ resume: path, steps: 3, out: newOut(), pool });
  expectClose(lossesOf(resumed), lossesOf(whole).slice(1));
});

test('messages of a chat model, whose template and tokens a run keeps', async () => {
  const [chat, out] = [mkdtempSync(join(root, 'chat-')), newOut()];
  const tokenizer = join(chat, 'tokenizer.json');
  cpSync(fileURLToPath(new URL('./fixtures/tokenizer/tokenizer.json', import.meta.url)), tokenizer);
  const template = "{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}";
  writeFileSync(join(chat, 'chat_template.jinja'), template);
  writeFileSync(join(chat, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<|endoftext|>' }));
  const messages = join(chat, 'messages.jsonl');
  const saying = (content: string) => [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content },
  ];
  const lines = ['the river', 'the sea', 'many hands'].map((words) => ({
    chosen: saying(words),
    rejected: saying('no'),
  }));
  writeFileSync(messages, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const run = { ...small, data: messages, set: ['vocab_size=304'], globalBatch: 2, seqLen: 64 };
  await expect(train(run)).rejects.toMatchObject({
    exit: 2,
    message: expect.stringContaining('messages.jsonl: line 1: it holds messages, and there is no chat template'),
  });
  const whole = await train({ ...run, tokenizer: chat, steps: 2 });
  await train({ ...run, tokenizer: chat, steps: 1, decaySteps: 2, warmupSteps: 1, out });
  rmSync(tokenizer);
  rmSync(join(chat, 'chat_template.jinja'));
  const resumed = await train({ resume: out, steps: 2, pool });
  expectClose(lossesOf(resumed), lossesOf(whole).slice(1));
});

test('a run whose reference is gone or of other pairs is not gone on with', async () => {
  const [out, other] = [newOut(), newOut()];
  await train({ ...small, steps: 1, out });
  await train({ ...small, data: dataOf('others.jsonl', 9), steps: 1, out: other });
  const lost = newOut();
  cpSync(out, lost, { recursive: true });
  rmSync(join(lost, referenceName));
  await expect(train({ resume: lost, steps: 2, pool })).rejects.toMatchObject({
    code: 'CHECKPOINT_MISMATCH',
    message: expect.stringContaining(`${referenceName}, which holds`),
  });
  cpSync(join(other, referenceName), join(lost, referenceName));
  await expect(train({ resume: lost, steps: 2, pool })).rejects.toMatchObject({
    code: 'CHECKPOINT_MISMATCH',
    message: expect.stringContaining('9 pairs of other data'),
  });
  writeFileSync(join(lost, referenceName), 'half of it');
  await expect(train({ resume: lost, steps: 2, pool })).rejects.toMatchObject({ code: 'CHECKPOINT_BROKEN' });
});

test.each([
  [{ objective: 'next-token' as const, beta: 0.1 }, /beta: it says how a preference is learned; add objective dpo/],
  [{ beta: 0 }, /beta: 0 is not a number above 0/],
  [{ beta: -1 }, /beta: -1 is not a number above 0/],
  [{ objective: 'ppo' as 'dpo', beta: 1 }, /objective: "ppo" is not one of next-token, dpo/],
])('refused: %o', async (options, problem) => {
  await expect(train({ ...small, ...options })).rejects.toMatchObject({
    exit: 2,
    message: expect.stringMatching(problem),
  });
});

test('a run keeps its objective, beta and pairs', async () => {
  const out = newOut();
  await train({ ...small, steps: 1, beta: 0.2, out });
  for (const [options, problem] of [
    [{ beta: 0.3 }, /beta: 0.3 is not the 0.2 in the run/],
    [{ objective: 'next-token' as const }, /objective: next-token is not the dpo in the run/],
    [{ dataChanged: true }, /dataChanged: the reference of the run/],
    [{ data: dataOf('fewer.jsonl', 12) }, /the data .* are not those of the run/],
  ] as const)
    await expect(train({ resume: out, steps: 2, pool, ...options })).rejects.toMatchObject({
      exit: 2,
      message: expect.stringMatching(problem),
    });
});
