// The flight recorder keeps the last calls in order, finished or not, and writes them as JSON.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  FlightRecorder,
  type RecordedCall,
  readRecords,
  recordCount,
  recorderBytes,
  writeFlightRecords,
} from './flight-recorder.ts';

const describeCall = ({ op, group, type, site }: RecordedCall) => ({
  op: `op ${op}`,
  axis: `group ${group}`,
  type: `type ${type}`,
  site: `site ${site}`,
});

function recorded(calls: number, finishLast: boolean) {
  const buffer = new SharedArrayBuffer(recorderBytes + 128);
  const recorder = new FlightRecorder(buffer, 128);
  recorder.start();
  for (let i = 0; i < calls; i++) {
    recorder.begin(i % 11, i % 3 === 0 ? -1 : 2, i % 3 === 0 ? 5 : -1, i * 10, 1, i);
    if (i < calls - 1 || finishLast) recorder.end();
  }
  return readRecords(buffer, 128, describeCall);
}

test('nothing recorded is nothing read', () => expect(recorded(0, true)).toEqual([]));

test('the last calls are kept, oldest first', () => {
  const before = Date.now();
  const records = recorded(200, false);
  expect(records.map(({ sequence }) => sequence)).toEqual(Array.from({ length: recordCount }, (_, i) => 136 + i));
  expect(records.every(({ finished }, i) => finished === i < recordCount - 1)).toBe(true);
  expect(records.at(-1)).toMatchObject({ op: 'op 1', axis: 'group 2', count: 1990, type: 'type 1', site: 'site 199' });
  expect(records.at(-1)).not.toHaveProperty('peer');
  expect(records.at(-2)).toMatchObject({ axis: 'group -1', peer: 5 });
  // Times of day, about: the wall clock and the monotonic one may drift apart.
  for (const { start, end } of records) {
    expect(Math.abs(start - before)).toBeLessThan(60_000);
    if (end !== undefined) expect(end).toBeGreaterThanOrEqual(start);
  }
});

test('a dump is one JSON file a rank', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fivefold-recorder-'));
  try {
    const calls = recorded(3, true);
    writeFlightRecords(join(folder, 'new', 'folder'), 3, 'rank 3 computes', calls);
    const text = readFileSync(join(folder, 'new', 'folder', 'rank-3.json'), 'utf8');
    expect(JSON.parse(text)).toEqual({ rank: 3, status: 'rank 3 computes', calls });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
