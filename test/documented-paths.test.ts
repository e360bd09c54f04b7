// The pages name files and folders of the project in code: each is there.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)];
const folders = 'src|test|tools|bench|examples|docs|bin';

/** Paths of the project in a text; `src/ops/*.ts` and `src/<folder>` stand for many. */
const pathsIn = (text: string): string[] =>
  [...text.matchAll(new RegExp(`(?<![\\w./@-])(?:${folders})/[\\w./-]*[\\w/]`, 'g'))]
    .filter(({ 0: path, index }) => !/[*<{]/.test(text[index + path.length] ?? ''))
    .map(([path]) => path);

test.each(pages)('every path named in %s is there', (page) => {
  const paths = pathsIn(readFileSync(join(root, page), 'utf8'));
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('paths are found', () => {
  const text = 'See `src/ops/x.ts`, [y](docs/y.md#top), npm run z, `src/ops/*.ts`, lib/src/no.ts and test/a-b.test.ts.';
  expect(pathsIn(text)).toEqual(['src/ops/x.ts', 'docs/y.md', 'test/a-b.test.ts']);
});
