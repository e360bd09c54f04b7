// From data files to one stream of tokens on disk, which every rank reads its own slices of.
import { fail } from '../errors.ts';
import { type DataFile, listDataFiles, readText } from './text-files.ts';
import { openTokens, TokenWriter, tokenTypeOf } from './token-file.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface PrepareProgress {
  /** The file being read. */
  readonly path: string;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly tokens: number;
}

export interface PrepareOptions {
  /**
   * Text files (each one document), .jsonl files (a document a line, in its "text"), folders of them in sorted order, or
   * tokens already: .u16.bin (Uint16) and .i32.bin (Int32), little-endian.
   */
  readonly files: readonly string[];
  readonly tokenizer: Tokenizer;
  /** Where the stream goes, as Int32; an old file is replaced. */
  readonly cacheFile: string;
  /** Vocabulary of the model: a token at or above it is an error. Unchecked without it. */
  readonly vocabSize?: number;
  /** Bytes of text read and tokenized at a time; default 1 MiB. */
  readonly pieceBytes?: number;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

export interface PreparedTokens {
  /** The file for `openSequences`: cacheFile, or the token file itself when it was the only input. */
  readonly path: string;
  readonly tokens: number;
  /** Documents that are not empty; a token file counts as one. */
  readonly documents: number;
}

/**
 * Tokenizes the files into one stream; between two documents stands the end-of-text token, if the tokenizer has one.
 * Memory does not grow with the files. Text is tokenized in pieces cut at line ends (see `cutPoint`): with bytes the
 * result never depends on it, with byte-pair tokenizers only in text that has no plain line end for half a piece (a token
 * or two at the cut). A tokenizer that marks the start of its input, as SentencePiece models do, marks each piece.
 * @throws DATA_MISSING, DATA_EMPTY, OPTION_INVALID (a token outside the vocabulary), OUT_UNWRITABLE
 */
export async function prepareTokens(options: PrepareOptions): Promise<PreparedTokens> {
  const { tokenizer, cacheFile } = options;
  if (cacheFile.endsWith('.u16.bin')) {
    fail('OPTION_INVALID', { option: cacheFile, problem: 'the stream is written as Int32', fix: 'name it *.i32.bin' });
  }
  const files = await listDataFiles(options.files);
  for (const { path } of files) tokenTypeOf(path);
  const only = files[0];
  if (files.length === 1 && only && tokenTypeOf(only.path)) return useTokenFile(only, options);

  const writer = await TokenWriter.create(cacheFile);
  try {
    const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
    const separator = Int32Array.of(...(tokenizer.endOfText === undefined ? [] : [tokenizer.endOfText]));
    let bytes = 0;
    let documents = 0;
    for (const file of files) {
      for await (const { tokens, first, readBytes } of tokensOf(file, options)) {
        if (first) {
          if (documents > 0) await writer.write(separator);
          documents += 1;
        }
        checkVocabulary(file.path, tokens, options.vocabSize);
        await writer.write(tokens);
        options.onProgress?.({ path: file.path, bytes: bytes + readBytes, totalBytes, tokens: writer.tokens });
      }
      bytes += file.bytes;
    }
    if (writer.tokens === 0) failEmpty(options.files);
    if (documents > 1) checkVocabulary('the end-of-text token', separator, options.vocabSize);
    await writer.commit();
    return { path: cacheFile, tokens: writer.tokens, documents };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

interface TokenPiece {
  readonly tokens: Int32Array;
  /** Whether it starts a document. */
  readonly first: boolean;
  /** Bytes of the file read so far. */
  readonly readBytes: number;
}

/** The tokens of one file, never empty, in pieces. */
async function* tokensOf(file: DataFile, options: PrepareOptions): AsyncGenerator<TokenPiece> {
  if (tokenTypeOf(file.path)) {
    yield* readTokenFile(file.path);
    return;
  }
  const { tokenizer } = options;
  for await (const { bytes, first, readBytes } of readText(file.path, options.pieceBytes ?? 1 << 20)) {
    const tokens = tokenizer.kind === 'bytes' ? new Int32Array(bytes) : tokenizer.encode(bytes.toString('utf8'));
    yield { tokens, first, readBytes };
  }
}

function* readTokenFile(path: string): Generator<TokenPiece> {
  const reader = openTokens(path);
  try {
    const step = 1 << 20;
    for (let start = 0; start < reader.tokens; start += step) {
      const tokens = reader.read(start, Math.min(step, reader.tokens - start));
      yield { tokens, first: start === 0, readBytes: (start + tokens.length) * reader.tokenBytes };
    }
  } finally {
    reader.close();
  }
}

/** Reads it once through, to be sure of its tokens before a run is started on it. */
function useTokenFile(file: DataFile, options: PrepareOptions): PreparedTokens {
  let tokens = 0;
  for (const piece of readTokenFile(file.path)) {
    checkVocabulary(file.path, piece.tokens, options.vocabSize);
    tokens += piece.tokens.length;
    options.onProgress?.({ path: file.path, bytes: piece.readBytes, totalBytes: file.bytes, tokens });
  }
  if (tokens === 0) failEmpty(options.files);
  return { path: file.path, tokens, documents: 1 };
}

function checkVocabulary(path: string, tokens: Int32Array, vocabSize: number | undefined): void {
  if (vocabSize === undefined) return;
  // By index: this loop sees every token; with an iterator a token file is read six times slower.
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i]!;
    if (token >= 0 && token < vocabSize) continue;
    fail('OPTION_INVALID', {
      option: path,
      problem: `token ${token} is outside the model's vocabulary of ${vocabSize}`,
      fix: 'use the tokenizer the model was made with, or a model with a larger vocabulary',
    });
  }
}

function failEmpty(files: readonly string[]): never {
  fail('DATA_EMPTY', { path: files.join(', ') || '(no files)', fix: 'give files with some text in them' });
}
