// A packing file that is cut, changed or of other tokens is refused, and never read past its bounds.
import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { openPacking, writePacking } from './packing-file.ts';

const folder = temporaryFolder('packing');

const path = join(folder, 'good.packing');
const bounds = Float64Array.of(0, 9, 12, 30);
const expected = { tokens: 30, seqLen: 8 };

beforeAll(async () => {
  const { file, packed } = await writePacking(bounds, { path, seqLen: 8 });
  expect(packed).toEqual({ documents: 3, sequences: 4, filled: 27 });
  await file.publish();
});

test('what is written is read, by position', () => {
  const packing = openPacking(path, expected);
  expect(packing.sequences).toBe(4);
  expect([3, 2, 1, 0].map((sequence) => [...packing.pieces(sequence)])).toEqual([
    [20, 8],
    [12, 8],
    [9, 2, 28, 1],
    [0, 8],
  ]);
  packing.close();
});

test('many more numbers than are written at a time', async () => {
  const many = Float64Array.from({ length: 300_001 }, (_, d) => 3 * d);
  const long = join(folder, 'long.packing');
  const { file, packed } = await writePacking(many, { path: long, seqLen: 7 });
  await file.publish();
  const packing = openPacking(long, { tokens: 900_000, seqLen: 7 });
  expect(packing.sequences).toBe(packed.sequences);
  let filled = 0;
  for (let i = 0; i < packing.sequences; i += 1)
    for (const [at, number] of packing.pieces(i).entries()) filled += at % 2 === 1 ? number : 0;
  packing.close();
  expect(filled).toBe(600_000);
  expect(packed.filled).toBe(600_000);
});

test('other tokens and another sequence length are told', () => {
  expect(() => openPacking(path, { ...expected, seqLen: 4 })).toThrow(
    /good\.packing: it packs 30 tokens into sequences of 8, not 30 into 4; start again/,
  );
  expect(() => openPacking(path, { ...expected, tokens: 31 })).toThrow(/not 31 into 8/);
  expect(() => openPacking(join(folder, 'none'), expected)).toThrow(/none: it does not exist/);
});

test('every cut is refused', () => {
  const cut = join(folder, 'cut.packing');
  const { length } = readFileSync(path);
  for (let bytes = length - 1; bytes >= 0; bytes -= 5) {
    copyFileSync(path, cut);
    truncateSync(cut, bytes);
    expect(() => openPacking(cut, expected)).toThrow(/it ends too early|it does not say how/);
  }
});

test('no number in it that was changed leads outside the tokens', () => {
  const changed = join(folder, 'changed.packing');
  const good = new Float64Array(new Uint8Array(readFileSync(path)).buffer);
  for (let at = 0; at < good.length; at += 1)
    for (const value of [-1, 0.5, 1e300, Number.NaN, good[at]! + 1, good[at]! + 40]) {
      const numbers = good.slice();
      numbers[at] = value;
      writeFileSync(changed, numbers);
      let packing: ReturnType<typeof openPacking> | undefined;
      try {
        packing = openPacking(changed, expected);
        for (let i = 0; i < packing.sequences; i += 1) {
          const pieces = packing.pieces(i);
          let filled = 0;
          for (let k = 0; k < pieces.length; k += 2) {
            expect(pieces[k]).toBeGreaterThanOrEqual(0);
            expect(pieces[k + 1]).toBeGreaterThan(0);
            expect(pieces[k]! + pieces[k + 1]!).toBeLessThan(30);
            filled += pieces[k + 1]!;
          }
          expect(filled).toBeLessThanOrEqual(8);
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'DATA_MISSING' });
      } finally {
        packing?.close();
      }
    }
});

test('one that is stopped leaves nothing behind', async () => {
  const stopped = writePacking(bounds, {
    ...{ path: join(folder, 'stopped.packing'), seqLen: 8, signal: AbortSignal.abort(new Error('enough')) },
  });
  await expect(stopped).rejects.toThrow('enough');
  expect(readdirSync(folder).filter((name) => name.startsWith('stopped'))).toEqual([]);
});
