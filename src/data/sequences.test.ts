// Sequences out of a token file: what is in them, that an epoch covers all, and that the layout does not matter.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { openSequences, type Sequence } from './sequences.ts';

const folder = mkdtempSync(join(tmpdir(), 'fivefold-batches-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A token file that counts 0, 1, 2...: a token is its own position. */
function counting(tokens: number, type: 'i32' | 'u16' = 'i32'): { readonly path: string; readonly tokens: number } {
  const path = join(folder, `${tokens}.${type}.bin`);
  const values = Array.from({ length: tokens }, (_, i) => i);
  writeFileSync(path, type === 'i32' ? Int32Array.from(values) : Uint16Array.from(values));
  return { path, tokens };
}

const plain = ({ inputs, targets }: Sequence): string => `${[...inputs]} > ${[...targets]}`;

test('sequences lie end to end and targets are one ahead', () => {
  const data = openSequences([counting(8)], { seqLen: 3, seed: 1 });
  expect(data.count).toBe(2);
  expect([plain(data.sequence(0)), plain(data.sequence(1))].sort()).toEqual(['0,1,2 > 1,2,3', '3,4,5 > 4,5,6']);
  data.close();
});

test('16-bit tokens read the same', () => {
  const wide = openSequences([counting(100)], { seqLen: 7, seed: 5 });
  const narrow = openSequences([counting(100, 'u16')], { seqLen: 7, seed: 5 });
  for (let i = 0; i < 40; i += 1) expect(plain(narrow.sequence(i))).toBe(plain(wide.sequence(i)));
  wide.close();
  narrow.close();
});

const sizes = fc.record({
  tokens: fc.integer({ min: 2, max: 300 }),
  seqLen: fc.integer({ min: 1, max: 20 }),
  seed: fc.nat(),
  epoch: fc.nat({ max: 1000 }),
});

test('every epoch is a permutation: each token but the first is a target once, up to the incomplete end', () => {
  fc.assert(
    fc.property(sizes, ({ tokens, seqLen, seed, epoch }) => {
      fc.pre(tokens > seqLen);
      const data = openSequences([counting(tokens)], { seqLen, seed });
      const targets: number[] = [];
      for (let i = 0; i < data.count; i += 1) targets.push(...data.sequence(epoch * data.count + i).targets);
      data.close();
      const expected = Array.from({ length: Math.floor((tokens - 1) / seqLen) * seqLen }, (_, i) => i + 1);
      expect(targets.sort((a, b) => a - b)).toEqual(expected);
    }),
  );
});

test('any number of replicas covers each sequence of a step once, in the same order', () => {
  const batches = fc.record({
    replicas: fc.integer({ min: 1, max: 8 }),
    each: fc.integer({ min: 1, max: 5 }),
    step: fc.nat({ max: 50 }),
    seed: fc.nat(),
  });
  const path = counting(257);
  fc.assert(
    fc.property(batches, ({ replicas, each, step, seed }) => {
      const globalBatch = replicas * each;
      const alone = openSequences([path], { seqLen: 4, seed });
      const expected = Array.from({ length: globalBatch }, (_, i) => plain(alone.sequence(step * globalBatch + i)));
      alone.close();
      const found: string[] = [];
      for (let replica = 0; replica < replicas; replica += 1) {
        // Each replica opens the file itself, as a rank does.
        const data = openSequences([path], { seqLen: 4, seed });
        const first = step * globalBatch + replica * each;
        for (let i = 0; i < each; i += 1) found.push(plain(data.sequence(first + i)));
        data.close();
      }
      expect(found).toEqual(expected);
    }),
  );
});

test('the order depends on the seed and the epoch, and not on what was read before', () => {
  const path = counting(401);
  const epochs = (seed: number): string[] => {
    const data = openSequences([path], { seqLen: 4, seed });
    const order = Array.from({ length: 2 * data.count }, (_, i) => plain(data.sequence(i)));
    const backwards = Array.from({ length: 2 * data.count }, (_, i) => plain(data.sequence(2 * data.count - 1 - i)));
    data.close();
    expect(backwards.reverse()).toEqual(order);
    return [String(order.slice(0, data.count)), String(order.slice(data.count))];
  };
  expect(epochs(11)).toEqual(epochs(11));
  expect(new Set([...epochs(11), ...epochs(12)]).size).toBe(4);
});

test('too few tokens: says how long a sequence may be', () => {
  expect(() => openSequences([counting(10)], { seqLen: 10, seed: 0 })).toThrow(
    'sequence length 10 needs at least 11 tokens but the data hold 10; use seqLen 9 or less, or give more data',
  );
  expect(() => openSequences([counting(1)], { seqLen: 1, seed: 0 })).toThrow(/hold 1; give more data/);
});

test('a file that is missing or cut in the middle of a token is refused', () => {
  expect(() => openSequences([{ path: join(folder, 'none') }], { seqLen: 1, seed: 0 })).toThrow(
    /cannot read data .*none/,
  );
  const path = join(folder, 'cut.i32.bin');
  writeFileSync(path, Buffer.alloc(15));
  expect(() => openSequences([{ path }], { seqLen: 1, seed: 0 })).toThrow(
    /15 bytes are no whole number of 4-byte tokens/,
  );
});
