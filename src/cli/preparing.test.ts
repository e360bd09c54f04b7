// Preparing tokens: what it says when it takes long, and that it can be stopped.
import { readdirSync } from 'node:fs';
import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { makeWorkplace, tinyLlama } from '../../test/cli-fixture.ts';
import { byteTokenizer } from '../data/tokenizer.ts';
import { parseModelConfig } from '../model/families.ts';
import { Stopped } from './io.ts';
import { prepare } from './preparing.ts';

const place = makeWorkplace();
afterAll(() => place.remove());

const options = {
  sources: [{ files: [place.path('text.txt')] }],
  tokenizer: byteTokenizer,
  config: parseModelConfig(tinyLlama, 'config.json'),
  cacheDirectory: place.path('cache'),
  quiet: false,
};

function listen(signal: AbortSignal, isTTY: boolean) {
  let text = '';
  const write = (chunk: unknown, _encoding: string, done: () => void): void => {
    text += String(chunk);
    done();
  };
  const stderr = Object.assign(new Writable({ write }), { isTTY });
  return { io: { stdout: stderr, stderr, signal, program: 'fivefold' }, text: () => text };
}

test('silent at first, then a line that a terminal sees overwritten', async () => {
  const { signal } = new AbortController();
  const short = listen(signal, true);
  expect(await prepare({ ...options, silentSeconds: 1e6 }, short.io)).toMatchObject({ tokens: 2160, documents: 1 });
  expect(short.text()).toBe('');
  const pipe = listen(signal, false);
  await prepare({ ...options, silentSeconds: 0 }, pipe.io);
  expect(pipe.text()).toBe('reading data 100.0 %  2.16 k tokens\n');
  const terminal = listen(signal, true);
  await prepare({ ...options, silentSeconds: 0 }, terminal.io);
  expect(terminal.text()).toBe('\r\x1b[2Kreading data 100.0 %  2.16 k tokens\r\x1b[2K');
});

test('stopped on the way it throws why and leaves no file', async () => {
  const stopped = new Stopped('SIGINT');
  const { io } = listen(AbortSignal.abort(stopped), false);
  const before = readdirSync(place.path('.'));
  await expect(prepare({ ...options, cacheDirectory: place.path('.') }, io)).rejects.toBe(stopped);
  expect(readdirSync(place.path('.'))).toEqual(before);
});
