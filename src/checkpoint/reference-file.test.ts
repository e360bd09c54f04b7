import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/temporary-folder.ts';
import { openReference, readReferenceNotes, writeReference } from './reference-file.ts';
import { openSafetensors } from './safetensors.ts';

const folder = temporaryFolder('reference');
const path = join(folder, 'reference.safetensors');
const logProbs = Float64Array.of(-1.5, -2.25, -3, -1 / 3, -1e-9, -4000);

test('what is written is read, to the last bit, and by others too', () => {
  writeReference(path, logProbs, { model: 'runs/a', data: 'x' });
  const reader = openReference(path);
  expect(reader.pairs).toBe(3);
  expect([0, 1, 2].flatMap((pair) => reader.of(pair))).toEqual(Array.from(logProbs));
  reader.close();
  expect(readReferenceNotes(path)).toEqual({ pairs: 3, notes: { format: 'pt', model: 'runs/a', data: 'x' } });
  const file = openSafetensors(path);
  expect([...file.tensors.keys()]).toEqual(['ref_chosen_logps', 'ref_rejected_logps']);
  file.close();
  expect(readdirSync(folder)).toEqual(['reference.safetensors']);
});

test('a file that is cut, of other tensors, or holds no number is refused', () => {
  writeReference(path, logProbs, {});
  const whole = readFileSync(path);
  const broken = join(folder, 'broken.safetensors');
  const opened = (bytes: Uint8Array) => {
    writeFileSync(broken, bytes);
    const reader = openReference(broken);
    try {
      return reader.of(2);
    } finally {
      reader.close();
    }
  };
  expect(() => opened(whole.subarray(0, -8))).toThrow(/is broken: truncated/);
  expect(() => opened(Buffer.from(whole.toString('latin1').replace('ref_rejected', 'ref_selected'), 'latin1'))).toThrow(
    /does not hold ref_chosen_logps and ref_rejected_logps/,
  );
  const nan = Buffer.from(whole);
  nan.writeDoubleLE(Number.NaN, nan.length - 8);
  expect(() => opened(nan)).toThrow(/NaN/);
});
