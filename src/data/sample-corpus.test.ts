// The corpus of installed packages: prose first, nothing twice, within its limit, and it can be tokenized.
import { cpSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { findCorpus } from './sample-corpus.ts';
import { byteTokenizer } from './tokenizer.ts';
import { prepareTokens } from './tokens.ts';

const folder = temporaryFolder('corpus');

test('takes .md then .d.ts files of the nearest node_modules above, sorted, each content once', () => {
  const modules = join(folder, 'a', 'node_modules');
  mkdirSync(join(modules, 'one', '.hidden'), { recursive: true });
  mkdirSync(join(modules, 'two'));
  mkdirSync(join(folder, 'a', 'b', 'c'), { recursive: true });
  writeFileSync(join(modules, 'one', 'README.md'), 'about one');
  writeFileSync(join(modules, 'one', 'code.js'), 'not text');
  writeFileSync(join(modules, 'one', 'index.d.ts'), 'export {};');
  writeFileSync(join(modules, 'one', '.hidden', 'x.md'), 'hidden');
  writeFileSync(join(modules, 'one', 'empty.md'), '');
  writeFileSync(join(modules, 'one', 'latin1.md'), Buffer.from([0x63, 0xe9]));
  writeFileSync(join(modules, 'one', 'long.md'), 'x'.repeat(300_001));
  writeFileSync(join(modules, 'two', 'HISTORY.md'), 'history of two');
  cpSync(join(modules, 'one', 'README.md'), join(modules, 'two', 'README.md'));

  const start = join(folder, 'a', 'b', 'c');
  const names = ['one/README.md', 'two/HISTORY.md', 'one/index.d.ts'].map((name) => join(modules, name));
  expect(findCorpus(start, 1e6)).toEqual({ files: names, bytes: 33 });
  expect(findCorpus(start, 23)).toEqual({ files: names.slice(0, 2), bytes: 23 });
  expect(() => findCorpus(start, 5)).toThrow(/holds no tokens; give your own text/);
});

test('says what to do without node_modules', () => {
  const start = mkdtempSync(join(folder, 'bare-'));
  expect(() => findCorpus(start, 100)).toThrow(/run npm install, or give your own text with data/);
});

test('this project has half a megabyte of it, ready to train on', async () => {
  const corpus = findCorpus(resolve('src'), 500_000);
  expect(corpus.bytes).toBeGreaterThan(400_000);
  expect(corpus.bytes).toBeLessThanOrEqual(500_000);
  expect(corpus.files.reduce((sum, path) => sum + statSync(path).size, 0)).toBe(corpus.bytes);
  const { documents, tokens } = await prepareTokens({
    sources: [{ files: corpus.files }],
    tokenizer: byteTokenizer,
    cacheDirectory: folder,
  });
  expect(documents).toBe(corpus.files.length);
  // A token a byte and a separator between documents; a byte order mark is left out.
  expect(tokens).toBeLessThanOrEqual(corpus.bytes + documents - 1);
  expect(tokens).toBeGreaterThan(corpus.bytes - 3 * documents);
});
