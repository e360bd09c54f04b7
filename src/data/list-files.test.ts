// Folders as people have them: what is no text is left out and counted, what never ends is never opened.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeFifo, makeLinkCircle, makeSocket, makeSparse } from '../../test/odd-files.ts';
import { listDataFiles } from './list-files.ts';
import { countSkipped, skippedText } from './skipped.ts';

const folder = mkdtempSync(join(tmpdir(), 'fivefold-list-'));
const at = (name: string): string => join(folder, name);
let closeSocket: () => Promise<void>;
beforeAll(async () => {
  for (const name of ['deep/er', '.git', 'node_modules', 'deep/node_modules', 'empty', 'deep/run', 'deep/er/model'])
    mkdirSync(at(name), { recursive: true });
  for (const name of [
    'b.txt',
    'deep/er/a.ts',
    '.git/HEAD',
    'node_modules/x.js',
    'deep/node_modules/y.js',
    'deep/run/run.json',
    'deep/run/metrics.jsonl',
    'deep/er/model/config.json',
    'deep/er/model/model.safetensors',
  ])
    writeFileSync(at(name), 'text');
  writeFileSync(at('tokens.u16.bin'), Uint16Array.of(1, 2));
  writeFileSync(at('x.wasm'), Buffer.from('\0asm\x01\0\0\0', 'latin1'));
  writeFileSync(at('weights.bin'), 'anything');
  writeFileSync(at('latin.txt'), Buffer.from('na\u00efve', 'latin1'));
  // A character of four bytes lies over the end of what is looked at.
  writeFileSync(at('waves.txt'), `..${'\u{1f30a}'.repeat(20_000)}`);
  makeSparse(at('sparse.jsonl'), 1e12);
  makeFifo(at('deep/fifo'));
  closeSocket = await makeSocket(at('socket'));
  makeLinkCircle(at('circle'));
  symlinkSync('nowhere', at('broken'));
  symlinkSync('b.txt', at('link.txt'));
  symlinkSync('..', at('deep/up'));
  symlinkSync('deep', at('again'));
});
afterAll(async () => {
  await closeSocket();
  rmSync(folder, { recursive: true });
});

test('a folder gives its text and token files, and says what else it holds', async () => {
  const skipped = countSkipped();
  const files = await listDataFiles([folder], skipped);
  expect(files).toEqual([
    { path: at('again/er/a.ts'), bytes: 4, named: false },
    { path: at('b.txt'), bytes: 4, named: false },
    { path: at('link.txt'), bytes: 4, named: false },
    { path: at('tokens.u16.bin'), bytes: 4, named: false },
    { path: at('waves.txt'), bytes: 80_002, named: false },
  ]);
  expect(skipped.result()).toEqual({
    notText: { count: 4, examples: [at('latin.txt'), at('sparse.jsonl'), at('weights.bin')] },
    notRegular: { count: 2, examples: [at('again/fifo'), at('socket')] },
    unreadable: { count: 2, examples: [at('broken'), at('circle')] },
    repeated: { count: 2, examples: [at('again/up'), at('deep')] },
    model: { count: 2, examples: [at('again/er/model'), at('again/run')] },
  });
  expect(skippedText(skipped.result())).toBe(
    `skipped 4 files that are not text, such as ${at('latin.txt')}; 2 FIFOs, sockets or devices, such as ${at('again/fifo')}; ` +
      `2 paths that cannot be read, such as ${at('broken')}; 2 folders linked to again, such as ${at('again/up')}; ` +
      `2 folders of models, such as ${at('again/er/model')}`,
  );
});

test('nothing left out, nothing said; one thing is named', () => {
  const skipped = countSkipped();
  expect(skippedText(skipped.result())).toBeUndefined();
  skipped.add('notText', 'x.wasm');
  expect(skippedText(skipped.result())).toBe('skipped 1 file that is not text (x.wasm)');
});

test('a folder given by name is walked, whatever its name', async () => {
  expect(await listDataFiles([at('node_modules'), at('.git')], countSkipped())).toEqual([
    { path: at('node_modules/x.js'), bytes: 4, named: false },
    { path: at('.git/HEAD'), bytes: 4, named: false },
  ]);
});

test.each([
  ['deep/fifo', /fifo: it is a FIFO \(a pipe\) and not a regular file; save what it gives in a file, and give that/],
  ['socket', /socket: it is a socket/],
  ['circle', /circle: its symbolic links lead in a circle; give text files/],
  ['broken', /broken: it does not exist; give text files/],
  ['weights.bin', /weights\.bin: the name does not say .*weights\.u16\.bin or/],
])('%s given by name is refused', async (name, message) => {
  await expect(listDataFiles([at(name)], countSkipped())).rejects.toThrow(message);
});

test('it can be stopped', async () => {
  await expect(listDataFiles([folder], countSkipped(), AbortSignal.abort(new Error('enough')))).rejects.toThrow(
    'enough',
  );
});
