// Every option of `generate` that is wrong is refused by its name, before anything is read or run.
import { expect, test } from 'vitest';
import { FivefoldError } from '../errors.ts';
import { oneRank, parseLayout } from '../mesh/layout.ts';
import { generate } from './generate.ts';
import { type GenerateOptions, parseGenerateOptions } from './options.ts';

const least = { model: 'test/fixtures/llama', prompt: [1, 2, 3] };

async function refusal(options: unknown): Promise<string> {
  try {
    await generate(options as GenerateOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(FivefoldError);
    expect((error as FivefoldError).exit).toBe(2);
    return `${(error as FivefoldError).code} ${(error as FivefoldError).message}`;
  }
  throw new Error(`accepted: ${JSON.stringify(options)}`);
}

const wrong: Readonly<Record<string, readonly unknown[]>> = {
  model: ['', 7, {}, undefined],
  prompt: [7, { length: 1e12 }, null, undefined, '', [], [1.5], [-1], [48], [Number.NaN], new Float64Array([0.5])],
  maxTokens: [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', 2e9],
  temperature: [-0.1, Number.NaN, Number.POSITIVE_INFINITY, '1'],
  topK: [0, -5, 2.5, Number.NaN, Number.POSITIVE_INFINITY],
  topP: [-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY, '0.9', null],
  minP: [-0.1, 1.1, Number.NaN],
  stop: ['', [''], [7], 7],
  stopToken: [-1, 0.5, Number.NaN, 48],
  seed: [-1, 0.5, 2 ** 21, 2 ** 32, Number.NaN],
  layout: [7, { ...oneRank, tp: 0 }, { ...oneRank, pp: 1.5 }, { ...oneRank, tp: Number.NaN }, { tp: 2 }],
  precision: ['f16', 64],
  tokenizer: ['', 7],
  timeoutSeconds: [0, -1, Number.NaN, Number.POSITIVE_INFINITY],
  onToken: [7],
  onText: ['print'],
  pool: [{}],
  signal: [{}, true],
};

test.each(Object.entries(wrong))('%s', async (key, values) => {
  for (const value of values) {
    const line = await refusal({ ...least, [key]: value });
    expect(line).toMatch(new RegExp(`^OPTION_INVALID ${key}: .+; .+$`));
    expect(line).not.toContain('\n');
  }
});

test('the line says what was given, what is allowed and what to do', async () => {
  expect(await refusal({ ...least, topP: 1.5 })).toBe(
    'OPTION_INVALID topP: 1.5 is not a number from 0 to 1; use topP 0.9',
  );
  expect(await refusal({ ...least, seed: -1 })).toContain('seed: -1 is not a whole number from 0 to 2097151');
  expect(await refusal({ ...least, stop: ['ok', ''] })).toContain('stop: ["ok",""] is not a text, or a list of texts');
  expect(await refusal({ prompt: 'a' })).toContain('model: it is missing');
  expect(await refusal({ ...least, top_p: 0.5 })).toContain('top_p: there is no such setting; use one of topK, topP');
  expect(await refusal(undefined)).toContain('prompt: it is missing');
});

test('what the model or the layout refuses', async () => {
  expect(await refusal({ ...least, model: 'gone' })).toMatch(/^CHECKPOINT_MISSING /);
  expect(await refusal({ ...least, model: 'llama-tiny' })).toContain('the model has no weights');
  expect(await refusal({ ...least, layout: 'dp=2' })).toContain('dp=2: one prompt leaves nothing for replicas');
  expect(await refusal({ ...least, layout: 'tp=3' })).toMatch(/^LAYOUT_INDIVISIBLE /);
  expect(await refusal({ ...least, layout: 'zz=3' })).toMatch(/^LAYOUT_UNKNOWN /);
  expect(await refusal({ ...least, tokenizer: 'gone.json' })).toMatch(/^CONFIG_INVALID |^OPTION_INVALID /);
});

test('defaults, and the forms an option may have', () => {
  const { layout, ...rest } = parseGenerateOptions(least);
  expect(layout).toEqual(oneRank);
  expect(rest).toEqual({
    ...least,
    maxTokens: 100,
    temperature: 0.8,
    seed: 0,
    precision: 'f32',
    stop: [],
    timeoutSeconds: 300,
  });
  expect(parseGenerateOptions({ ...least, stop: 'end' }).stop).toEqual(['end']);
  expect(parseGenerateOptions({ ...least, layout: 'tp=2,sp' }).layout).toEqual(parseLayout('tp=2,sp'));
  expect(parseGenerateOptions({ ...least, layout: parseLayout('pp=2') }).layout).toEqual(parseLayout('pp=2'));
  expect(parseGenerateOptions({ ...least, layout: 'auto' }).layout).toEqual(oneRank);
});
