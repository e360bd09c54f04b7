// Files of tokens: little-endian Int32, or Uint16 when the name ends in .u16.bin; read by position.
import { closeSync, fstatSync, readSync } from 'node:fs';
import { fail } from '../errors.ts';
import { openRegular, type Refusal } from '../files/regular-file.ts';

/** What a token file holds: 4 or 2 bytes a token. */
export type TokenType = 'i32' | 'u16';

/**
 * The token type of a file by its name, undefined when it is no token file.
 * @throws OPTION_INVALID for a .bin whose name does not tell
 */
export function tokenTypeOf(path: string): TokenType | undefined {
  if (path.endsWith('.u16.bin')) return 'u16';
  if (path.endsWith('.i32.bin')) return 'i32';
  if (!path.endsWith('.bin')) return undefined;
  const name = path.slice(0, -'.bin'.length);
  return fail('OPTION_INVALID', {
    option: path,
    problem: 'the name does not say whether its tokens are 16 or 32 bits wide',
    fix: `rename it ${name}.u16.bin or ${name}.i32.bin`,
  });
}

/** Reads slices of a token file; holds an open file, so close it. */
export interface TokenReader {
  /** Tokens in the file. */
  readonly tokens: number;
  /** Bytes a token takes in it: 4 or 2. */
  readonly tokenBytes: number;
  /** Tokens [start, start + count). */
  read(start: number, count: number): Int32Array;
  close(): void;
}

/** @throws DATA_MISSING when the file cannot be read, is cut short, or is no whole number of tokens long */
export function openTokens(path: string): TokenReader {
  const width = path.endsWith('.u16.bin') ? 2 : 4;
  const usual = 'give the file prepared from the data, or .u16.bin/.i32.bin tokens';
  const missing = ({ problem, fix = usual }: Pick<Refusal, 'problem' | 'fix'>): never =>
    fail('DATA_MISSING', { path, problem, fix });
  const file = openRegular(path, missing);
  const bytes = fstatSync(file).size;
  if (bytes % width !== 0) {
    closeSync(file);
    return missing({ problem: `its ${bytes} bytes are no whole number of ${width}-byte tokens` });
  }
  return {
    tokens: bytes / width,
    tokenBytes: width,
    read(start, count) {
      const values = width === 4 ? new Int32Array(count) : new Uint16Array(count);
      if (!readAt(file, values, start * width)) missing({ problem: `it ends before token ${start + count}` });
      return values instanceof Int32Array ? values : Int32Array.from(values);
    },
    close: () => closeSync(file),
  };
}

/** Fills `values` from the file's bytes at `position` on; false when it ends before. */
export function readAt(file: number, values: NodeJS.ArrayBufferView, position: number): boolean {
  // A read may give less than asked for, on network file systems for instance.
  for (let done = 0; done < values.byteLength; ) {
    const got = readSync(file, values, { offset: done, position: position + done });
    if (got === 0) return false;
    done += got;
  }
  return true;
}
