// JSON files named from outside: bounded in size, UTF-8 with or without a byte order mark.
import { isUtf8 } from 'node:buffer';
import { type Refuse, readWhole } from './regular-file.ts';

const mebibyte = 1 << 20;

/** The most bytes that a file of each kind may have: several times those of the largest models. */
export const maxBytes = {
  config: 16 * mebibyte,
  index: 128 * mebibyte,
  tokenizer: 256 * mebibyte,
} as const;

/**
 * What a JSON file holds.
 * @returns its value, or what `refuse` returns: for what is no regular file, too large, not UTF-8 or not JSON
 */
export function readJson<T>(path: string, mostBytes: number, refuse: Refuse<T>): unknown {
  const bytes = readWhole(path, mostBytes, (refusal) => ({ refused: refuse(refusal) }));
  if (!Buffer.isBuffer(bytes)) return bytes.refused;
  if (!isUtf8(bytes)) return refuse({ problem: 'it is not UTF-8 text', code: 'NOT_JSON' });
  let value: unknown;
  try {
    value = JSON.parse(withoutMark(bytes.toString('utf8')));
  } catch (error) {
    // V8 quotes the text around the place, line ends included.
    const place = (error as Error).message.replace(/\s+/g, ' ');
    return refuse({ problem: `it is not JSON (${place})`, code: 'NOT_JSON' });
  }
  return value;
}

/** Windows programs put U+FEFF before the text of a file. */
export const withoutMark = (text: string): string => (text.startsWith('\ufeff') ? text.slice(1) : text);
