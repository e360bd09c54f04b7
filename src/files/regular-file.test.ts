// Whatever stands where a file is expected: read when it is a regular file, else refused at once with what it is.
import { closeSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeFifo, makeLinkCircle, makeSocket, makeSparse } from '../../test/odd-files.ts';
import { maxBytes, readJson } from './json-file.ts';
import { openRegular, openRegularHandle, type Refusal, readWhole } from './regular-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'fivefold-files-'));
const at = (name: string): string => join(folder, name);
let closeSocket: () => Promise<void>;
beforeAll(async () => {
  writeFileSync(at('file'), '{"a": 1}');
  symlinkSync('file', at('link'));
  symlinkSync('nowhere', at('broken'));
  mkdirSync(at('folder'));
  makeFifo(at('fifo'));
  symlinkSync('fifo', at('link-to-fifo'));
  makeLinkCircle(at('circle'));
  makeSparse(at('sparse'), 1e12);
  closeSocket = await makeSocket(at('socket'));
});
afterAll(async () => {
  await closeSocket();
  rmSync(folder, { recursive: true });
});

const cases: readonly (readonly [path: string, problem: RegExp])[] = [
  [at('fifo'), /^it is a FIFO \(a pipe\) and not a regular file; save what it gives/],
  [at('link-to-fifo'), /^it is a FIFO/],
  [at('socket'), /^it is a socket/],
  ['/dev/zero', /^it is a device/],
  ['/dev/null', /^it is a device/],
  [at('folder'), /^it is a directory/],
  [at('circle'), /^its symbolic links lead in a circle/],
  [at('broken'), /^it does not exist/],
  [at('file/below'), /^a part of the path is a file/],
];

const said = ({ problem, fix }: Refusal): string => `${problem}; ${fix}`;

test.each(cases)('%s is refused, and no file stays open', async (path, problem) => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = process.platform === 'linux' ? open() : 0;
  expect(openRegular(path, said)).toMatch(problem);
  expect(await openRegularHandle(path, said)).toMatch(problem);
  expect(readWhole(path, 100, said)).toMatch(problem);
  expect(readJson(path, 100, said)).toMatch(problem);
  if (process.platform === 'linux') expect(open()).toBe(before);
});

test('a regular file is read, through a link too', async () => {
  expect(String(readWhole(at('link'), 8, said))).toBe('{"a": 1}');
  const fd = openRegular(at('file'), said);
  expect(fd).toBeTypeOf('number');
  closeSync(fd as number);
  const handle = await openRegularHandle(at('link'), said);
  if (typeof handle === 'string') throw new Error(handle);
  expect(String(await handle.readFile())).toBe('{"a": 1}');
  await handle.close();
});

test('no more is read than the bound', () => {
  expect(readWhole(at('file'), 7, said)).toMatch(/^its 8 bytes are more than the 7 that such a file may have/);
  expect(readJson(at('sparse'), maxBytes.tokenizer, said)).toMatch(/^its 1000000000000 bytes are more than/);
});

test('JSON with a byte order mark is JSON; what is none says where', () => {
  const json = (content: string | Uint8Array): unknown => {
    writeFileSync(at('json'), content);
    return readJson(at('json'), 1000, ({ problem, code }) => `${code}: ${problem}`);
  };
  expect(json('\ufeff{"a": "\ufeff"}')).toEqual({ a: '\ufeff' });
  expect(json('[1]')).toEqual([1]);
  expect(json('\ufeff\ufeff1')).toMatch(/^NOT_JSON: it is not JSON \(/);
  expect(json('{\n"a": x\n}')).toMatch(/^NOT_JSON: it is not JSON \(.*x.*\)$/);
  expect(json('')).toMatch(/^NOT_JSON: it is not JSON/);
  // UTF-16 with its mark, as Windows editors save it.
  expect(json(Buffer.from('\ufeff{"a": 1}', 'utf16le'))).toBe('NOT_JSON: it is not UTF-8 text');
});
