// Generated text, on every layout: the very tokens that Hugging Face transformers takes, and sampled text that no layout changes.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { planGeneration } from '../src/generate/generate.ts';
import type { Generated, GenerateJob } from '../src/generate/job.ts';
import { type GenerateOptions, parseGenerateOptions } from '../src/generate/options.ts';
import { runWorld } from '../src/runtime/world.ts';
import { forwardTalkOf } from '../src/step/talk.ts';
import { sharedPool } from './shared-pool.ts';

const pool = sharedPool();

const fixtureOf = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

interface Case {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
  readonly margin: number;
}

const models = [
  'deepseek-v2',
  'deepseek-v3',
  'gemma',
  'gemma3',
  'gpt2',
  'llama',
  'llama-mqa',
  'mistral',
  'mixtral',
  'nemotron',
  'qwen2',
  'qwen2-moe',
  'qwen3',
  'qwen3-moe',
].map((name) => {
  const model = fixtureOf(name);
  const { cases } = JSON.parse(readFileSync(`${model}/generation.json`, 'utf8')) as { cases: readonly Case[] };
  return { name, model, cases };
});

/**
 * Texts of a model in a precision are written in one window, the longest of theirs that is less than three times as long: what is
 * compiled for it then serves them all.
 */
function inOneWindow(job: GenerateJob, jobs: readonly GenerateJob[]): GenerateJob {
  const { weights, settings } = job;
  const windows = jobs
    .filter((other) => other.weights === weights && other.settings.precision === settings.precision)
    .map((other) => other.settings.seqLen)
    .filter((seqLen) => seqLen < 3 * settings.seqLen);
  return { ...job, settings: { ...settings, seqLen: Math.max(...windows) } };
}

/** What the rank that picks returns for each of the texts, all written in one world. */
async function write(options: readonly GenerateOptions[]): Promise<Generated[]> {
  const planned = options.map((each): GenerateJob => planGeneration(parseGenerateOptions(each)));
  const jobs = planned.map((job) => inOneWindow(job, planned));
  const talks = jobs.map(({ settings }) => forwardTalkOf(settings));
  const { size, groups } = talks[0]!;
  const channels = talks[0]!.channels.map((channel, index) => ({
    ...channel,
    capacityBytes: Math.max(...talks.map((talk) => talk.channels[index]!.capacityBytes)),
    messages: Math.max(...talks.map((talk) => talk.channels[index]!.messages)),
  }));
  const results = (await runWorld({
    plan: { size, groups, channels, timeoutSeconds: 60 },
    rankModule: new URL('./generation-rank.ts', import.meta.url),
    jobs: Array.from({ length: size }, () => jobs),
    pool,
  })) as (Generated | undefined)[][];
  const written = results.filter((rank) => rank.every((text) => text !== undefined));
  expect(written.length).toBe(1);
  return written[0] as Generated[];
}

const layouts = [
  'tp=1',
  'pp=2',
  'tp=2',
  'tp=2,sp',
  'tp=2,pp=2',
  'tp=2,pp=2,sp',
  'tp=4',
  'tp=4,sp',
  'tp=4,pp=2',
  'tp=4,pp=2,sp',
  'cp=2,pp=2',
  'tp=2,cp=2,cpMode=gather',
  'ep=2,pp=2',
];

/**
 * Of the two largest logits, as a share of the largest. Layouts sum in other orders: that moves logits by less than 1e-12 of the largest
 * in f64 and 1e-5 in f32, so that with more between them every choice is the same.
 */
const leastMargin = { f64: 1e-9, f32: 1e-4 } as const;

const fewTokens = 8;

test.each(layouts)('%s: greedy text of every family is that of transformers', async (layout) => {
  const ofLayout = models.filter(({ name }) => !layout.startsWith('ep=') || name.endsWith('-moe'));
  const texts = ofLayout.flatMap(({ name, model, cases }, family) =>
    cases.flatMap(({ prompt, tokens, margin }, index) => {
      // In f64 every prompt; in f32 one of every third family, in a window of its own: layouts take turns. Those whose turn it is not are
      // written for a few tokens.
      const turn = family + layouts.indexOf(layout);
      const inTurn = index === Math.floor(turn / 3) % cases.length;
      const first = inTurn || layout === 'tp=1' ? tokens : tokens.slice(0, fewTokens);
      return (inTurn && turn % 3 === 0 ? (['f64', 'f32'] as const) : (['f64'] as const)).map((precision) => {
        expect(margin).toBeGreaterThan(leastMargin[precision]);
        const options = { model, prompt, maxTokens: first.length, temperature: 0, layout, precision };
        return { what: `${name} ${precision} from ${prompt.length}`, tokens: first, options };
      });
    }),
  );
  expect(texts.length).toBeGreaterThan(0);
  expect(texts.length).toBeGreaterThan(ofLayout.length * 3);
  const written = await write(texts.map(({ options }) => options));
  const got = texts.map(({ what }, index) => ({ what, tokens: written[index]!.tokens }));
  expect(got).toEqual(texts.map(({ what, tokens }) => ({ what, tokens })));
});

test('sampled text is the same on every layout in f64, stops included', async () => {
  const prompt = Array.from({ length: 12 }, (_, i) => (i * 7) % 31);
  const base = { prompt, maxTokens: 30, precision: 'f64', temperature: 2, seed: 3 } as const;
  const [free] = await write([{ ...base, model: fixtureOf('llama') }]);
  const samplings: readonly Partial<GenerateOptions>[] = [
    { temperature: 0.8, topK: 20, topP: 0.9, seed: 1 },
    { temperature: 1.5, minP: 0.02, seed: 2 },
    // The fixtures have no tokenizer, so tokens are bytes: "\n" is token 10.
    { stop: ['\n'] },
    { stopToken: free!.tokens[9]! },
  ];
  const on = (layout: string): Promise<Generated[]> =>
    write(
      ['gpt2', 'llama', 'llama-mqa'].flatMap((name) =>
        samplings.map((sampling) => ({ ...base, model: fixtureOf(name), layout, ...sampling })),
      ),
    );
  const outcome = (texts: readonly Generated[]) => texts.map(({ seconds: _, ...rest }) => rest);
  const alone = outcome(await on('tp=1'));
  expect(new Set(alone.map(({ tokens }) => tokens.join())).size).toBeGreaterThan(samplings.length);
  expect(new Set(alone.map(({ stopped }) => stopped))).toEqual(new Set(['length', 'stopString', 'stopToken']));
  for (const layout of ['pp=2', 'tp=2', 'tp=2,pp=2,sp', 'tp=4'])
    expect(outcome(await on(layout)), layout).toEqual(alone);
});

test.each(['tp=2', 'tp=4', 'tp=2,pp=2'])('%s: the same text again and again, in f32 and f64', async (layout) => {
  // So long a window that all-reduces are above 4,096 bytes in f32 too and gathers have many rows.
  const { model, cases } = models.find(({ name }) => name === 'llama-mqa')!;
  const prompt = cases.at(-1)!.prompt;
  expect(prompt.length * 16 * 4).toBeGreaterThan(4096);
  const runs = (precision: 'f32' | 'f64') =>
    Array.from({ length: 4 }, () => ({ model, prompt, maxTokens: 12, temperature: 1, layout, precision }));
  const written = await write([...runs('f32'), ...runs('f64')]);
  for (const texts of [written.slice(0, 4), written.slice(4)])
    expect(new Set(texts.map(({ tokens }) => tokens.join())).size).toBe(1);
});
