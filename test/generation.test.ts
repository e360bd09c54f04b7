// Generated text, on every layout: the very tokens that Hugging Face transformers takes, and sampled text that no layout changes.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { planGeneration } from '../src/generate/generate.ts';
import type { Generated, GenerateJob } from '../src/generate/job.ts';
import { type GenerateOptions, parseGenerateOptions } from '../src/generate/options.ts';
import { runWorld } from '../src/runtime/world.ts';
import { createPool } from '../src/runtime/world-pool.ts';
import { windowTalk } from '../src/step/logits-step.ts';

const pool = createPool();
afterAll(() => pool.close());

const fixtureOf = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

interface Case {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
  readonly margin: number;
}

const models = ['gpt2', 'llama', 'llama-mqa', 'mistral', 'qwen2', 'qwen3'].map((name) => {
  const model = fixtureOf(name);
  const { cases } = JSON.parse(readFileSync(`${model}/generation.json`, 'utf8')) as { cases: readonly Case[] };
  return { name, model, cases };
});

/** What the rank that picks returns for each of the texts, all written in one world. */
async function write(options: readonly GenerateOptions[]): Promise<Generated[]> {
  const jobs = options.map((each): GenerateJob => planGeneration(parseGenerateOptions(each)));
  const talks = jobs.map(({ settings }) => windowTalk(settings));
  const { size, groups } = talks[0]!;
  const channels = talks[0]!.channels.map((channel, index) => ({
    ...channel,
    capacityBytes: Math.max(...talks.map((talk) => talk.channels[index]!.capacityBytes)),
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
];

/** In f32 logits are off by less than 1e-5 of the largest: with a larger margin every choice is the same. */
const leastMargin = { f64: 1e-9, f32: 1e-4 } as const;

test.each(layouts)('%s: greedy text of every family is that of transformers, in f64 and f32', async (layout) => {
  const texts = (['f64', 'f32'] as const).flatMap((precision) =>
    models.flatMap(({ name, model, cases }) =>
      cases.map(({ prompt, tokens, margin }) => {
        expect(margin).toBeGreaterThan(leastMargin[precision]);
        const options = { model, prompt, maxTokens: tokens.length, temperature: 0, layout, precision };
        return { what: `${name} ${precision} from ${prompt.length}`, tokens, options };
      }),
    ),
  );
  expect(texts).toHaveLength(2 * 6 * 3);
  const written = await write(texts.map(({ options }) => options));
  const got = texts.map(({ what }, index) => ({ what, tokens: written[index]!.tokens }));
  expect(got).toEqual(texts.map(({ what, tokens }) => ({ what, tokens })));
});
