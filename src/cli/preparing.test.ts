// What is said while data are read: nothing at first, then a line that a terminal sees overwritten.
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { showPreparing } from './preparing.ts';

function listen(isTTY: boolean) {
  let text = '';
  const write = (chunk: unknown, _encoding: string, done: () => void): void => {
    text += String(chunk);
    done();
  };
  const stderr = Object.assign(new Writable({ write }), { isTTY });
  const { signal } = new AbortController();
  return { io: { stdout: stderr, stderr, signal, program: 'fivefold' }, text: () => text };
}

const progress = { path: 'text.txt', bytes: 2160, totalBytes: 2160, tokens: 2160 };

test('silent at first, then a line that a terminal sees overwritten', () => {
  const short = listen(true);
  const silent = showPreparing(false, short.io, 1e6);
  silent.show(progress);
  silent.end();
  expect(short.text()).toBe('');
  const pipe = listen(false);
  showPreparing(false, pipe.io, 0).show(progress);
  expect(pipe.text()).toBe('reading data 100.0 %  2.16 k tokens\n');
  const terminal = listen(true);
  const shown = showPreparing(false, terminal.io, 0);
  shown.show(progress);
  shown.end();
  expect(terminal.text()).toBe('\r\x1b[2Kreading data 100.0 %  2.16 k tokens\r\x1b[2K');
  const quiet = listen(true);
  showPreparing(true, quiet.io, 0).show(progress);
  expect(quiet.text()).toBe('');
});
