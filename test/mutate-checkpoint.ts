// Damages a checkpoint directory as chance, a bad copy or an enemy would, the same way for the same seed; and tries to read it.
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type * as z from 'zod';
import { readManifest } from '../src/checkpoint/commit.ts';
import type { TensorArray } from '../src/checkpoint/dtypes.ts';
import { type Checkpoint, openCheckpoint, openOptimizer } from '../src/checkpoint/hf-directory.ts';
import { FivefoldError } from '../src/errors.ts';
import { fullRanges } from './full-ranges.ts';

/** Numbers of [0, n), the same for the same seed (mulberry32). */
export function chance(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/** What stands where a file's author meant something else. */
const evil: readonly unknown[] = [
  null,
  true,
  '',
  '..',
  '../../etc/passwd',
  '/etc/passwd',
  '.',
  'model\u0000.safetensors',
  'a\nb\u001b[2J',
  'x'.repeat(5000),
  '__proto__',
  'constructor',
  'toString',
  -1,
  0.5,
  1e300,
  2 ** 53,
  2 ** 31,
  -0,
  [],
  {},
  [[[[]]]],
  [2 ** 53 - 1, 2 ** 53 - 1, 0],
  [2 ** 32, 2 ** 32],
  Array.from({ length: 1000 }, () => 1),
  [0, 0],
  [0, 2 ** 53 - 1],
  [8, 0],
  'BF16',
  'F8_E4M3',
  'U64',
  'f16',
  'NaN',
  '1e999',
];
const evilKeys = ['__proto__', 'constructor', 'hasOwnProperty', '', 'a/../b', 'x'.repeat(3000), '\u0000', 'length'];

type Json = { [key: string]: unknown };
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** Every place of a JSON value: the object or array, and the key. */
function placesIn(value: unknown): [Json, string][] {
  if (!isObject(value)) return [];
  return Object.keys(value).flatMap((key) => [[value, key] as [Json, string], ...placesIn(value[key])]);
}

/** A JSON text with one place changed: another value, another name, gone, or twice there. */
function mutateJson(text: string, pick: (n: number) => number): string {
  const value: unknown = JSON.parse(text);
  const places = placesIn(value);
  if (places.length === 0) return JSON.stringify(evil[pick(evil.length)]);
  const [holder, key] = places[pick(places.length)]!;
  const old = JSON.stringify(holder[key]);
  switch (pick(5)) {
    case 0:
      delete holder[key];
      return JSON.stringify(value);
    case 1: {
      const name = JSON.stringify(evilKeys[pick(evilKeys.length)]);
      return JSON.stringify(value).replace(`${JSON.stringify(key)}:${old}`, () => `${name}:${old}`);
    }
    case 2:
      return JSON.stringify(value).replace(`${JSON.stringify(key)}:${old}`, (pair) => `${pair},${pair}`);
    case 3:
      if (typeof holder[key] === 'string' && holder[key].startsWith('{')) {
        holder[key] = mutateJson(holder[key], pick);
        return JSON.stringify(value);
      }
      if (typeof holder[key] === 'number') holder[key] += pick(2) ? 1 : -8;
      else holder[key] = [holder[key]];
      return JSON.stringify(value);
    default:
      holder[key] = evil[pick(evil.length)];
      return JSON.stringify(value);
  }
}

/** The file with its JSON header changed and its length set right again. */
function mutateHeader(bytes: Buffer, pick: (n: number) => number): Buffer {
  const length = Number(bytes.readBigUInt64LE());
  const json = Buffer.from(mutateJson(bytes.subarray(8, 8 + length).toString(), pick));
  const padded = Buffer.concat([json, Buffer.alloc(Math.max(0, length - json.length), ' ')]);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([size, padded, bytes.subarray(8 + length)]);
}

/**
 * Changes one file of a checkpoint directory in place; says which and how. The same seed does the same to the same directory.
 * Never makes a FIFO or a large file.
 */
export function mutateCheckpoint(directory: string, seed: number): { readonly name: string; readonly change: string } {
  const pick = chance(seed);
  const names = readdirSync(directory)
    .filter((name) => name.endsWith('.json') || name.endsWith('.safetensors'))
    .sort();
  const name = names[pick(names.length)]!;
  const path = join(directory, name);
  const bytes = readFileSync(path);
  const poke = (at: number, value: number): void => {
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.of(value), 0, 1, at);
    closeSync(fd);
  };
  switch (pick(8)) {
    case 0: {
      const at = pick(bytes.length);
      const bit = pick(8);
      poke(at, bytes[at]! ^ (1 << bit));
      return { name, change: `bit ${bit} of byte ${at} flipped` };
    }
    case 1: {
      // The start of a file says most.
      const at = pick(Math.min(bytes.length, 300));
      const value = pick(256);
      poke(at, value);
      return { name, change: `byte ${at} set to ${value}` };
    }
    case 2: {
      const length = pick(bytes.length);
      truncateSync(path, length);
      return { name, change: `cut off at byte ${length}` };
    }
    case 3: {
      const more = 1 + pick(100);
      writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(more, pick(256))]));
      return { name, change: `${more} bytes more` };
    }
    case 4: {
      const other = names[pick(names.length)]!;
      const kind = pick(3);
      rmSync(path);
      if (kind === 1) symlinkSync(join(directory, other), path);
      if (kind === 2) symlinkSync(directory, path);
      return { name, change: `${['removed', `a link to ${other}`, 'a link to its directory'][kind]}` };
    }
    default:
      writeFileSync(path, name.endsWith('.json') ? mutateJson(bytes.toString(), pick) : mutateHeader(bytes, pick));
      return { name, change: `a place of its JSON changed` };
  }
}

/** Reads every number of a checkpoint of weights or of an optimizer. Throws if one is not finite. */
function readAll(checkpoint: Checkpoint): void {
  try {
    for (const [name, { dtype, shape }] of checkpoint.tensors) {
      const count = shape.reduce((product, size) => product * size, 1);
      const values: TensorArray =
        dtype === 'I64' ? new BigInt64Array(count) : dtype === 'I32' ? new Int32Array(count) : new Float64Array(count);
      checkpoint.read(name, fullRanges(shape), values);
      if (values instanceof Float64Array && !values.every(Number.isFinite)) throw new Error(`${name} is not finite`);
    }
  } finally {
    checkpoint.close();
  }
}

/** How reading everything in a directory ended, and after how many seconds: `read`, or the error of exit status 2; throws any other. */
export function tryCheckpoint(directory: string, schema: z.ZodType): { outcome: string; seconds: number } {
  const start = performance.now();
  let outcome = 'read';
  try {
    readManifest(directory, schema);
    readAll(openCheckpoint(directory));
    readAll(openOptimizer(directory));
  } catch (error) {
    if (!(error instanceof FivefoldError) || error.exit !== 2) throw error;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what may not be there
    if (/[\u0000-\u001f]/.test(error.message) || error.message.length > 2000)
      throw new Error(`not one line: ${JSON.stringify(error.message).slice(0, 3000)}`);
    outcome = error.message;
  }
  return { outcome, seconds: (performance.now() - start) / 1000 };
}
