// Data files as tokens, a piece at a time.
import { setImmediate } from 'node:timers/promises';
import type { DataFile } from './list-files.ts';
import { readText } from './text-files.ts';
import { openTokens, tokenTypeOf } from './token-file.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface TokenPiece {
  readonly tokens: Int32Array;
  /** Whether it starts a document. */
  readonly first: boolean;
  /** Bytes of the file read so far. */
  readonly readBytes: number;
}

/** The tokens of one file, never empty, in pieces. */
export async function* tokensOf(
  { path }: DataFile,
  tokenizer: Tokenizer,
  pieceBytes = 1 << 20,
): AsyncGenerator<TokenPiece> {
  if (tokenTypeOf(path)) {
    yield* readTokenFile(path);
    return;
  }
  for await (const { bytes, first, readBytes } of readText(path, pieceBytes)) {
    const tokens = tokenizer.kind === 'bytes' ? new Int32Array(bytes) : tokenizer.encode(bytes.toString('utf8'));
    yield { tokens, first, readBytes };
  }
}

export async function* readTokenFile(path: string): AsyncGenerator<TokenPiece> {
  const reader = openTokens(path);
  try {
    const step = 1 << 20;
    for (let start = 0; start < reader.tokens; start += step) {
      // Reading is synchronous: signals get their turn here.
      await setImmediate();
      const tokens = reader.read(start, Math.min(step, reader.tokens - start));
      yield { tokens, first: start === 0, readBytes: (start + tokens.length) * reader.tokenBytes };
    }
  } finally {
    reader.close();
  }
}
