// Trace files, read back as JSON.
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTrace, type TraceSpan } from './perfetto.ts';

interface TraceEvent {
  readonly name: string;
  readonly ph: 'M' | 'X';
  readonly pid: number;
  readonly tid: number;
  readonly [field: string]: unknown;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fivefold-trace-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as TraceEvent[];
const span = (rank: number, startMicroseconds: number, more: Partial<TraceSpan> = {}): TraceSpan => ({
  rank,
  name: 'forward',
  category: 'compute',
  startMicroseconds,
  durationMicroseconds: 5,
  ...more,
});

test('a process a rank, a track a category, each named once', () => {
  const path = join(folder, 'trace.json');
  const trace = createTrace(path, { rankName: (rank) => `rank ${rank} (pp ${rank})`, originMicroseconds: 1000 });
  trace.add([
    span(0, 1000),
    span(0, 1005, { name: 'all-reduce "x"', category: 'communication', args: { bytes: 4096 } }),
  ]);
  trace.add([span(1, 1002.5), span(0, 1010)]);
  trace.close();
  const events = read(path);
  expect(events.filter(({ ph }) => ph === 'X')).toEqual([
    { name: 'forward', cat: 'compute', ph: 'X', pid: 0, tid: 1, ts: 0, dur: 5 },
    { name: 'all-reduce "x"', cat: 'communication', ph: 'X', pid: 0, tid: 2, ts: 5, dur: 5, args: { bytes: 4096 } },
    { name: 'forward', cat: 'compute', ph: 'X', pid: 1, tid: 1, ts: 2.5, dur: 5 },
    { name: 'forward', cat: 'compute', ph: 'X', pid: 0, tid: 1, ts: 10, dur: 5 },
  ]);
  const names = events
    .filter(({ name }) => name.endsWith('_name'))
    .map(({ name, pid, tid, args }) => ({ name, pid, tid, args }));
  expect(names).toEqual([
    { name: 'process_name', pid: 0, tid: 0, args: { name: 'rank 0 (pp 0)' } },
    { name: 'thread_name', pid: 0, tid: 1, args: { name: 'compute' } },
    { name: 'thread_name', pid: 0, tid: 2, args: { name: 'communication' } },
    { name: 'process_name', pid: 1, tid: 0, args: { name: 'rank 1 (pp 1)' } },
    { name: 'thread_name', pid: 1, tid: 1, args: { name: 'compute' } },
  ]);
});

test('spans go to the file as they come, and a trace that was never closed lacks only its end', () => {
  const path = join(folder, 'trace.json');
  const trace = createTrace(path);
  const rounds = 50;
  for (let round = 0; round < rounds; round++) {
    const written = statSync(path).size;
    trace.add(Array.from({ length: 1000 }, (_, i) => span(i % 4, round * 1000 + i)));
    expect(statSync(path).size).toBeGreaterThan(written);
  }
  const cut = readFileSync(path, 'utf8');
  expect(JSON.parse(`${cut.slice(0, cut.lastIndexOf(',\n'))}]`).length).toBeGreaterThan((rounds - 1) * 1000);
  trace.close();
  trace.close();
  expect(read(path).filter(({ ph }) => ph === 'X')).toHaveLength(rounds * 1000);
});

test('a trace without spans is valid', () => {
  const path = join(folder, 'trace.json');
  createTrace(path).close();
  expect(read(path)).toEqual([]);
});

test('a file that cannot be written is refused with the fix', () => {
  const path = join(folder, 'no such folder', 'trace.json');
  expect(() => createTrace(path)).toThrow(expect.objectContaining({ code: 'OPTION_INVALID' }));
  expect(() => createTrace(path)).toThrow('name a file in a folder that exists and can be written');
});
