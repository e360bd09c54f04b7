// Sequences out of a token file: what is in them, that an epoch covers all, and that the layout does not matter.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { openSequences, type Sequence } from './sequences.ts';

const folder = temporaryFolder('batches');

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

/** A token file like `counting`, of tokens from `from` on: what is read tells where it was read from. */
function from(first: number, tokens: number, weight: number): { readonly path: string; readonly weight: number } {
  const path = join(folder, `${first}-${tokens}.i32.bin`);
  writeFileSync(
    path,
    Int32Array.from({ length: tokens }, (_, i) => first + i),
  );
  return { path, weight };
}

const million = 1_000_000;
/** The source and the number there of a sequence of sources made by `from(k * million, ...)`, at sequence length 4. */
const placeOf = ({ inputs }: Sequence): [source: number, sequence: number] => [
  Math.floor(inputs[0]! / million),
  (inputs[0]! % million) / 4,
];

test('without weights the order is that of one source alone, whatever its weight', () => {
  const order = (weight?: number): string[] => {
    const data = openSequences([{ ...counting(401), ...(weight === undefined ? {} : { weight }) }], {
      seqLen: 4,
      seed: 3,
    });
    const all = Array.from({ length: 250 }, (_, i) => plain(data.sequence(i)));
    data.close();
    return all;
  };
  expect(order(0.3)).toEqual(order());
  // The first of the order that runs had before there were several sources: a resumed run goes on with it.
  const firsts = [0, 1, 2, 100, 249].map((i) => Number.parseInt(order()[i]!, 10));
  expect(firsts).toEqual([124, 208, 340, 76, 232]);
});

test('a mix: each source is shuffled by itself, once an epoch of its own, and comes as often as its weight says', () => {
  const sources = [from(0, 401, 0.7), from(million, 401, 0.2), from(2 * million, 41, 0.1)];
  const data = openSequences(sources, { seqLen: 4, seed: 3 });
  expect(data.sources).toEqual([
    { training: 100, heldOut: 0, share: 0.7 },
    { training: 100, heldOut: 0, share: 0.2 },
    { training: 10, heldOut: 0, share: 0.1 },
  ]);
  expect(data.count).toBe(210);
  const seen: number[][] = [[], [], []];
  for (let i = 0; i < 1000; i += 1) {
    const [source, sequence] = placeOf(data.sequence(i));
    seen[source]!.push(sequence);
  }
  data.close();
  expect(seen.map(({ length }) => length)).toEqual([700, 200, 100]);
  for (const [source, each] of seen.entries()) {
    const size = data.sources[source]!.training;
    for (let epoch = 0; (epoch + 1) * size <= each.length; epoch += 1) {
      const once = each.slice(epoch * size, (epoch + 1) * size);
      expect([...once].sort((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i));
    }
  }
  // Sources of one size are not shuffled alike, and an epoch not like the next.
  expect(new Set([seen[0]!.slice(0, 100), seen[0]!.slice(100, 200), seen[1]!.slice(0, 100)].map(String)).size).toBe(3);
});

test('held-out sequences are never trained on, in any epoch, and no place is predicted in both', () => {
  const settings = fc.record({
    tokens: fc.integer({ min: 30, max: 300 }),
    seqLen: fc.integer({ min: 1, max: 9 }),
    heldOut: fc.oneof(fc.double({ min: 0.01, max: 0.6, noNaN: true }), fc.integer({ min: 1, max: 2 })),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(settings, ({ tokens, seqLen, heldOut, seed }) => {
      const data = openSequences([counting(tokens)], { seqLen, seed, heldOut });
      const all = Math.floor((tokens - 1) / seqLen);
      expect(data.validation.count).toBe(heldOut >= 1 ? heldOut : Math.max(1, Math.round(heldOut * all)));
      expect(data.count + data.validation.count).toBe(all);
      const held = new Set<number>();
      for (let i = 0; i < data.validation.count; i += 1)
        for (const target of data.validation.sequence(i).targets) held.add(target);
      expect(held.size).toBe(data.validation.count * seqLen);
      const trained = new Set<number>();
      for (let i = 0; i < 2 * data.count; i += 1) for (const target of data.sequence(i).targets) trained.add(target);
      data.close();
      expect(trained.size).toBe(data.count * seqLen);
      expect([...trained].filter((target) => held.has(target))).toEqual([]);
    }),
  );
});

test('the held-out part is the same for every seed, and a number of sequences is divided by weight', () => {
  const sources = [from(0, 401, 3), from(million, 401, 1)];
  const held = (seed: number, heldOut: number): string[] => {
    const data = openSequences(sources, { seqLen: 4, seed, heldOut });
    const all = Array.from({ length: data.validation.count }, (_, i) => String(placeOf(data.validation.sequence(i))));
    expect(() => data.validation.sequence(all.length)).toThrow(RangeError);
    data.close();
    return all;
  };
  expect(held(1, 8)).toEqual(held(2, 8));
  expect(held(1, 8).map((place) => place[0])).toEqual([...'00000011']);
  expect(held(1, 0.05).map((place) => place[0])).toEqual([...'0000011111']);
});

test.each([
  [
    100,
    /heldOut: 100 of the 100 sequences in .*401.* are held out, which leaves none to train on; hold out 99 of them/,
  ],
  [0.999, /leaves none to train on/],
  [1.5, /heldOut: 1.5 is neither a part between 0 and 1 nor a whole number of sequences; use heldOut 0.05/],
  [-1, /heldOut: -1 is neither/],
  [Number.NaN, /heldOut: NaN is neither/],
])('holding out %d of 100 sequences is refused', (heldOut, message) => {
  expect(() => openSequences([counting(401)], { seqLen: 4, seed: 0, heldOut })).toThrow(message);
});

test('of several sources, one that is too short is named; one that has changed is refused', () => {
  expect(() => openSequences([counting(401), from(0, 3, 1)], { seqLen: 4, seed: 0 })).toThrow(
    /needs at least 5 tokens but the data hold 3; use seqLen 2 or less, or give more data than .*0-3\.i32\.bin/,
  );
  expect(() => openSequences([{ ...counting(401), tokens: 400 }], { seqLen: 4, seed: 0 })).toThrow(
    /it holds 401 tokens and held 400 when it was prepared/,
  );
});
