// Going back in a stream leaves what was never written unwritten, in the file and in the hash; a full disk is seen coming.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { TokenWriter } from './token-writer.ts';

const folder = temporaryFolder('writer');

/** `tokens` tokens from `from` on. */
const counting = (from: number, tokens: number): Int32Array => Int32Array.from({ length: tokens }, (_, i) => from + i);

// Around the 2^20 tokens that are written to the file at once.
const length = fc.oneof(fc.nat({ max: 50 }), fc.constantFrom(1 << 20, (1 << 20) - 3, (1 << 20) + 5));
const documents = fc.array(fc.record({ length, dropped: fc.boolean() }), { minLength: 1, maxLength: 4 });

test('documents that are taken back leave no trace', async () => {
  await fc.assert(
    fc.asyncProperty(documents, async (all) => {
      const path = join(folder, 'stream.i32.bin');
      const writer = await TokenWriter.create(path);
      const kept: Int32Array[] = [];
      for (const [index, { length, dropped }] of all.entries()) {
        const mark = writer.mark();
        const tokens = counting(index * 1e7, length);
        await writer.write(tokens.subarray(0, length >> 1));
        await writer.write(tokens.subarray(length >> 1));
        if (dropped) await writer.goBack(mark);
        else kept.push(tokens);
      }
      const expected = Buffer.concat(kept.map((tokens) => new Uint8Array(tokens.buffer)));
      expect(writer.tokens).toBe(expected.length / 4);
      expect(await writer.finish()).toBe(createHash('sha256').update(expected).digest('hex'));
      await writer.publish();
      expect(readFileSync(path).equals(expected)).toBe(true);
    }),
    { numRuns: 8 },
  );
});

test('a stream that does not fit the disk is refused before it is begun, and where the disk fills on the way', async () => {
  const path = join(folder, 'large.i32.bin');
  const message =
    /cannot write to .*fivefold-writer-\w+: [\d.]+ k?[MGB]?B of tokens do not fit: [\d.]+ k?[MG]?B are free.*make room there/;
  await expect(TokenWriter.create(path, 1e18)).rejects.toThrow(message);
  // More has to stay free than a disk has: nothing may be written any more.
  await expect(TokenWriter.create(path, 0, 1e18)).rejects.toThrow(message);
  const writer = await TokenWriter.create(path, 0, 0);
  await writer.write(counting(0, 10));
  await writer.abort();
  expect(readdirSync(folder).filter((name) => name.startsWith('large'))).toEqual([]);
});
