// A text that fills the model's positions where sp cannot cut them: refused, never another text than the other layouts give.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { generate } from '../src/generate/generate.ts';
import { temporaryFolder } from './temporary-folder.ts';

const model = temporaryFolder('window');
cpSync(fileURLToPath(new URL('./fixtures/llama', import.meta.url)), model, { recursive: true });
const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as Record<string, unknown>;
writeFileSync(join(model, 'config.json'), JSON.stringify({ ...config, max_position_embeddings: 33 }));

const prompt = Array.from({ length: 30 }, (_, i) => (i * 7) % 48);
const text = (layout: string, maxTokens: number) =>
  generate({ model, prompt, maxTokens, temperature: 0, precision: 'f64', layout }).then(({ tokens }) => tokens);

test('positions that sp cannot cut', async () => {
  const one = await text('tp=1', 12);
  expect(await text('tp=2', 12)).toEqual(one);
  // Short enough for what sp can cut of the positions.
  expect(await text('tp=2,sp', 3)).toEqual(one.slice(0, 3));
  await expect(text('tp=2,sp', 12)).rejects.toMatchObject({ code: 'LAYOUT_INDIVISIBLE', exit: 2 });
});
