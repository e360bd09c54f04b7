// The record is true: kernels and copies touch the bytes that are recorded for them, and no others.
import { expect, test } from 'vitest';
import { instantiate } from '../../src/runtime/kernels/wasm.ts';
import type { TransportKernels } from '../../src/runtime/transport/threads/kernels.ts';
import { SharedBytes } from '../../src/runtime/transport/threads/shared-bytes.ts';
import { Waiter } from '../../src/runtime/transport/threads/waiter.ts';
import { createThreadsWorld, type ThreadsShared } from '../../src/runtime/transport/threads/world-state.ts';
import { randomNumbers } from '../random-numbers.ts';
import { AccessLog, kinds, rowLength, writes } from './access-log.ts';
import { free } from './paces.ts';
import { recording } from './recorder.ts';

const group = { axis: 'tp', ranks: [0, 1, 2] } as const;
const plan = { size: 3, groups: [group], channels: [], timeoutSeconds: 1, limits: { chunkBytes: 1024 } };

type Work = (parts: { kernels: TransportKernels; memory: SharedBytes; at: (place: number) => number }) => void;

/** Places are bytes from the first slot on. */
const works: Readonly<Record<string, Work>> = {
  'sumF32 of one row': ({ kernels, at }) => kernels.sumF32(at(4000), at(0), 1344, 3, 37, 1, 0),
  'sumF64 of rows': ({ kernels, at }) => kernels.sumF64(at(4000), at(0), 1344, 3, 5, 4, 120),
  'sumI32 of two slots': ({ kernels, at }) => kernels.sumI32(at(4000), at(0), 1344, 2, 33, 2, 400),
  'maxF32 of rows': ({ kernels, at }) => kernels.maxF32(at(4000), at(0), 1344, 3, 19, 3, 80),
  'maxF64 of two slots': ({ kernels, at }) => kernels.maxF64(at(4000), at(0), 1344, 2, 21, 1, 0),
  'maxI32 of one element': ({ kernels, at }) => kernels.maxI32(at(4000), at(0), 1344, 3, 1, 1, 0),
  'spreadRows of odd words': ({ kernels, at }) => kernels.spreadRows(at(4000), at(0), 28, 5, 84),
  'spreadRows of whole vectors': ({ kernels, at }) => kernels.spreadRows(at(4000), at(0), 64, 3, 128),
  'copyIn of many': ({ memory, at }) => memory.copyIn(at(96), Float32Array.from({ length: 50 }, Math.sin), 3, 40),
  'copyIn of few': ({ memory, at }) => memory.copyIn(at(96), Float64Array.from({ length: 50 }, Math.sin), 3, 4),
  words: ({ memory, at }) => memory.write(at(96) / 4, memory.read(at(0) / 4) + 1),
};

/** Fills memory from a seed but for `keep`, works, and returns memory before and after and the record. */
function watch(shared: ThreadsShared, work: Work, seed: number, keep?: { words: Int32Array; kept: Uint8Array }) {
  const words = new Int32Array(shared.memory.buffer);
  const first = shared.map.groups[0]!.slots;
  const next = randomNumbers(seed);
  // Bits of floats in (1, 2), so that no sum is lost in another.
  for (let i = first / 4; i < words.length; i++) words[i] = 0x3f800000 | (next() * 2 ** 22);
  keep?.kept.forEach((kept, i) => {
    if (kept) words[i] = keep.words[i]!;
  });
  const before = words.slice();
  const log = new AccessLog();
  const { kernels, memory } = recording(shared, log, free);
  const plain = new SharedBytes(
    shared.memory.buffer,
    new Waiter(words, { rank: 0, crowded: true, timeoutSeconds: 1 }),
    8,
  );
  work({
    kernels: kernels!(instantiate<TransportKernels>(shared.kernels, shared.memory)),
    memory: memory!(plain, 'world') as SharedBytes,
    at: (place) => first + place,
  });
  const touched = { read: new Uint8Array(words.length), written: new Uint8Array(words.length) };
  const rows = log.rows();
  for (let at = 0; at < rows.length; at += rowLength)
    (writes(kinds[rows[at]!]!) ? touched.written : touched.read).fill(1, rows[at + 2]! / 4, rows[at + 3]! / 4);
  return { before, after: words.slice(), ...touched };
}

test.each(Object.entries(works))('%s', (_, work) => {
  const shared = createThreadsWorld(plan);
  const { before, after, read, written } = watch(shared, work, 1);
  const changed = Array.from(after.keys()).filter((i) => after[i] !== before[i]);
  expect(changed.length).toBeGreaterThan(0);
  expect(changed.filter((i) => !written[i])).toEqual([]);
  // With everything else different, what was read gives what was written.
  const other = watch(shared, work, 2, { words: before, kept: read });
  expect(Array.from(other.written.keys()).filter((i) => other.written[i] !== written[i])).toEqual([]);
  expect(Array.from(after.keys()).filter((i) => written[i] && after[i] !== other.after[i])).toEqual([]);
});
