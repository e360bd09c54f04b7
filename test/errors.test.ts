// Every error is documented, raised somewhere, and reads as one line: docs/errors.md is made from the table. After a change:
// npx vitest run test/errors.test.ts -u
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type ErrorCode, errorTable } from '../src/errors.ts';
import { errorExamples, errorOf } from './error-examples.ts';

const codes = Object.keys(errorTable) as ErrorCode[];

function page(): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
  const rows = codes.map((code) => {
    const { exit, message } = errorOf(code);
    return `| \`${code}\` | ${exit} | ${cell(errorExamples[code].when)} | ${cell(message)} |`;
  });
  return `# Errors

Every error of Fivefold is a \`FivefoldError\` with a \`code\`, the \`values\` its message was made from and an \`exit\`: the status that the command line
ends with. 2: the input was bad and nothing was done. 1: it failed while running. The message is one line: what was given, what is
allowed, and what to do. The library names a setting as it is given there, \`seqLen\`; the command line as its option, \`--seq-len\`.

| code | exit | it comes when | such as |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

test('docs/errors.md has every code, its exit status, when it comes and an example', async () => {
  await expect(page()).toMatchFileSnapshot('../docs/errors.md');
});

test.each(codes)('%s: its example is of that code, one line, and has all its values', (code) => {
  const error = errorOf(code);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(/^[^\n]+$/);
  expect(error.message).not.toMatch(/undefined|NaN (B|MB|GB)|\[object/);
});

test('every code is raised by some file', () => {
  const src = fileURLToPath(new URL('../src', import.meta.url));
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && file !== 'errors.ts',
  );
  const texts = files.map((file) => readFileSync(`${src}/${file}`, 'utf8')).join();
  expect(codes.filter((code) => !texts.includes(`'${code}'`))).toEqual([]);
});
