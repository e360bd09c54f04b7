// `fivefold describe`: its text makes a file that runs, its picture is for terminals only.
import { writeFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { makeWorkplace, run } from '../../test/cli-fixture.ts';
import { interleaved } from '../schedule/interleaved.ts';
import { parseSchedule } from '../schedule/parse.ts';
import { main } from './main.ts';
import { seenLength } from './ui/wrap.ts';

const place = makeWorkplace();
const { path } = place;
afterAll(() => place.remove());

test('the text is the schedule, and comes back from a file', async () => {
  const printed = await run('describe', '--layout', 'pp=4,virtual=2', '--microbatches', '8');
  expect(printed).toMatchObject({ exit: 0, stderr: '' });
  expect(parseSchedule(printed.stdout)).toEqual(interleaved(4, 8, 2));
  writeFileSync(path('my.schedule'), printed.stdout);
  const again = await run('describe', '--layout', `pp=4,virtual=2,schedule=file:${path('my.schedule')}`);
  expect(again).toEqual(printed);
});

test('--json has the text and what was proved', async () => {
  const { stdout, stderr, exit } = await run('describe', '--layout', 'pp=2,schedule=zb-h1', '--json');
  expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 });
  expect(stdout.trim()).not.toContain('\n');
  expect(JSON.parse(stdout)).toEqual({
    schedule: 'zb-h1',
    stages: 2,
    chunks: 1,
    microbatches: 4,
    text: (await run('describe', '--layout', 'pp=2,schedule=zb-h1')).stdout,
    peakLive: [2, 2],
    peakLiveByChunk: [[2], [2]],
    peakInFlight: [
      { from: 0, to: 1, messages: 2 },
      { from: 1, to: 0, messages: 2 },
    ],
    // One second of idling a stage beside twelve of work.
    bubble: expect.closeTo(1 / 13, 12),
  });
});

test.each([60, 100])('on a terminal of %i columns a picture and what is live follow on stderr', async (columns) => {
  const chunks: string[] = [];
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  const stdout = new Writable({ write: (_chunk, _encoding, done) => done() });
  const io = { stdout, stderr: Object.assign(stderr, { isTTY: true, columns }), program: 'fivefold' };
  const argv = ['describe', '--layout', 'pp=3,virtual=2', '--microbatches', '4'];
  expect(await main(argv, { ...io, signal: new AbortController().signal })).toBe(0);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  const seen = chunks.join('').replace(/\x1b\[[\d;]*m/g, '');
  for (const line of seen.split('\n')) expect(seenLength(line)).toBeLessThanOrEqual(columns);
  expect(seen).toContain('bubble 20.0 %');
  expect(seen.slice(seen.indexOf('live at most'))).toMatchInlineSnapshot(`
    "live at most  microbatches  by chunk
    ────────────────────────────────────
    stage 0                  8  4, 4
    stage 1                  7  4, 3
    stage 2                  5  4, 1
    "
  `);
});
