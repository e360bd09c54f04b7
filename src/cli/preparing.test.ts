// What is said while data are read: nothing at first, then a line that a terminal sees overwritten.
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { layoutText, readingText, showPreparing } from './preparing.ts';

function listen(isTTY: boolean) {
  let text = '';
  let heard = () => {};
  const written = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const write = (chunk: unknown, _encoding: string, done: () => void): void => {
    text += String(chunk);
    done();
    heard();
  };
  const stderr = Object.assign(new Writable({ write }), { isTTY });
  const { signal } = new AbortController();
  return { io: { stdout: stderr, stderr, signal, program: 'fivefold' }, text: () => text, written };
}

const line = readingText({ path: 'text.txt', bytes: 2160, totalBytes: 2160, tokens: 2160 });

test('silent at first, then a line that a terminal sees overwritten', () => {
  const short = listen(true);
  const silent = showPreparing(false, short.io, 1e6);
  silent.show(line);
  silent.end();
  expect(short.text()).toBe('');
  const pipe = listen(false);
  showPreparing(false, pipe.io, 0).show(line);
  expect(pipe.text()).toBe('reading data 100.0 %  2.16 k tokens\n');
  const terminal = listen(true);
  const shown = showPreparing(false, terminal.io, 0);
  shown.show(line);
  shown.end();
  expect(terminal.text()).toBe('\r\x1b[2Kreading data 100.0 %  2.16 k tokens\r\x1b[2K');
  const quiet = listen(true);
  showPreparing(true, quiet.io, 0).show(line);
  expect(quiet.text()).toBe('');
});

test('what is said once is shown on a terminal when it has taken long, in its last words', async () => {
  const pipe = listen(false);
  const terminal = listen(true);
  for (const { io } of [pipe, terminal]) {
    const preparing = showPreparing(false, io, 0.01);
    preparing.show(layoutText({ doing: 'measuring', done: 0, total: 3 }));
    preparing.show(layoutText({ doing: 'measuring', done: 1, total: 3 }));
  }
  expect(terminal.text()).toBe('');
  await terminal.written;
  expect(terminal.text()).toBe('\r\x1b[2Kmeasuring this machine 2 of 3');
  expect(pipe.text()).toBe('');
});
