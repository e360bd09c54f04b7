// A file of log-probabilities of completions: ref_chosen_logps and ref_rejected_logps, in double, by pair, and what they were made from.
import { closeSync } from 'node:fs';
import { z } from 'zod';
import { openRegular } from '../files/regular-file.ts';
import { broken, parsedAs } from './broken.ts';
import { bytesUnder, readAt, replaceFile } from './files.ts';
import { encodeHeader, headerLength } from './header.ts';
import { parseJson } from './json.ts';
import { openSafetensors } from './safetensors.ts';

const names = ['ref_chosen_logps', 'ref_rejected_logps'] as const;

/** Notes are strings by name; the file appears whole or not at all. `logProbs`: chosen and rejected of every pair, side by side. */
export function writeReference(path: string, logProbs: Float64Array, notes: Readonly<Record<string, string>>): void {
  const pairs = logProbs.length / 2;
  const header = encodeHeader(
    names.map((name) => ({ name, dtype: 'F64', shape: [pairs] })),
    notes,
  );
  const file = new Uint8Array(header.length + logProbs.byteLength);
  file.set(header);
  for (const side of [0, 1]) {
    const column = Float64Array.from({ length: pairs }, (_, pair) => logProbs[2 * pair + side]!);
    file.set(bytesUnder(column), header.length + side * column.byteLength);
  }
  replaceFile(path, file);
}

export interface ReferenceReader {
  readonly pairs: number;
  /** Of the chosen and of the rejected completion of a pair. */
  of(pair: number): readonly [number, number];
  close(): void;
}

/** @throws CHECKPOINT_MISSING, CHECKPOINT_BROKEN */
export function openReference(path: string): ReferenceReader {
  const file = openSafetensors(path);
  const [chosen, rejected] = names.map((name) => file.tensors.get(name)?.shape);
  if (chosen?.length !== 1 || rejected?.join() !== chosen.join()) {
    file.close();
    return broken(path, `it does not hold ${names.join(' and ')} of the same pairs`);
  }
  const one = new Float64Array(1);
  const read = (name: string, pair: number): number => {
    file.readSlice(name, [[pair, pair + 1]], one);
    return one[0]!;
  };
  return {
    pairs: chosen[0]!,
    of: (pair) => [read(names[0], pair), read(names[1], pair)],
    close: () => file.close(),
  };
}

const metadataSchema = z.looseObject({ __metadata__: z.record(z.string(), z.string()).optional() });

/** How many pairs a file is of, and what it notes. @throws CHECKPOINT_MISSING, CHECKPOINT_BROKEN */
export function readReferenceNotes(path: string): {
  pairs: number;
  notes: Readonly<Record<string, string | undefined>>;
} {
  const reader = openReference(path);
  reader.close();
  const fd = openRegular(path, ({ problem }) => broken(path, problem));
  try {
    const first = Buffer.alloc(8);
    readAt(fd, first, 0);
    const json = Buffer.alloc(headerLength(path, first, Number.MAX_SAFE_INTEGER));
    readAt(fd, json, 8);
    const parsed = parsedAs(path, metadataSchema, parseJson(path, json.toString(), 'its header'), 'its header');
    return { pairs: reader.pairs, notes: parsed.__metadata__ ?? {} };
  } finally {
    closeSync(fd);
  }
}
