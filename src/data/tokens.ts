// From data files to streams of tokens on disk, which every rank reads its own slices of.
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fail } from '../errors.ts';
import { type DataFile, listDataFiles, missing } from './list-files.ts';
import { countSkipped, type SkipCounter, type Skipped, skippedText } from './skipped.ts';
import { checkWeights, type DataFiles, type PreparedSource } from './source.ts';
import { NotText, notTextFix } from './text.ts';
import { readText } from './text-files.ts';
import { openTokens, tokenTypeOf } from './token-file.ts';
import { TokenWriter } from './token-writer.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface PrepareProgress {
  /** The file being read. */
  readonly path: string;
  /** Read so far, of all sources' files, and to read in all. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly tokens: number;
}

export interface PrepareOptions {
  /** Each becomes a stream of its own; see `dataSources`. */
  readonly sources: readonly DataFiles[];
  readonly tokenizer: Tokenizer;
  /** Where streams go, as tokens.i32.bin, or tokens-1.i32.bin and so on of several; old files are replaced. */
  readonly cacheDirectory: string;
  /** Vocabulary of the model: a token at or above it is an error. Unchecked without it. */
  readonly vocabSize?: number;
  /** Bytes of text read and tokenized at a time; default 1 MiB. */
  readonly pieceBytes?: number;
  /** Aborted, it ends with the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

export interface PreparedData {
  /** For `openSequences`, in the order of the options' sources. */
  readonly sources: readonly PreparedSource[];
  /** Of all sources. */
  readonly tokens: number;
  readonly documents: number;
  /** What the folders held besides. */
  readonly skipped: Skipped;
}

/**
 * Tokenizes the files of every source into one stream; between two documents stands the end-of-text token, if the tokenizer
 * has one. A source that is one token file is used where it is. Memory does not grow with the files. Text is tokenized in
 * pieces cut at line ends (see `cutPoint`): with bytes the result never depends on it, with byte-pair tokenizers only in text
 * that has no plain line end for half a piece (a token or two at the cut). A tokenizer that marks the start of its input, as
 * SentencePiece models do, marks each piece.
 * @throws DATA_MISSING, DATA_EMPTY, OPTION_INVALID (a token outside the vocabulary, weights), OUT_UNWRITABLE (no room either)
 */
export async function prepareTokens(options: PrepareOptions): Promise<PreparedData> {
  const { sources } = options;
  checkWeights(sources.map(({ weight = 1 }) => weight));
  const skipped = countSkipped();
  const lists: DataFile[][] = [];
  for (const { files } of sources) lists.push(await listDataFiles(files, skipped, options.signal));
  const reading = createReading(options, lists.flat(), skipped);
  const streams: Stream[] = [];
  try {
    for (const [index, source] of sources.entries()) {
      const name = sources.length === 1 ? 'tokens.i32.bin' : `tokens-${index + 1}.i32.bin`;
      streams.push(await prepareSource(source, lists[index]!, join(options.cacheDirectory, name), reading));
    }
    checkNotReplaced(streams);
    for (const { writer } of streams) await writer?.publish();
  } catch (error) {
    for (const { writer } of streams) await writer?.abort();
    throw error;
  }
  return {
    sources: streams.map(({ source }) => source),
    tokens: streams.reduce((sum, { source }) => sum + source.tokens, 0),
    documents: streams.reduce((sum, { source }) => sum + source.documents, 0),
    skipped: skipped.result(),
  };
}

interface Stream {
  readonly source: PreparedSource;
  /** Has finished, and its file not its name yet; undefined for a file that is used where it is. */
  readonly writer?: TokenWriter;
}

/** A token file that is used where it is must not be where another source's stream goes. */
function checkNotReplaced(streams: readonly Stream[]): void {
  const written = new Set(streams.flatMap(({ writer }) => (writer ? [resolve(writer.path)] : [])));
  const both = streams.find(({ source, writer }) => !writer && written.has(resolve(source.path)));
  if (!both) return;
  const fix = 'move that file, or use another folder for the tokens';
  fail('OPTION_INVALID', { option: both.source.path, problem: "another source's tokens would replace it", fix });
}

/** What the sources share while they are read one after another. */
interface Reading {
  readonly options: PrepareOptions;
  readonly skipped: SkipCounter;
  /** So many bytes of the file have been read; says so, and throws when the signal is aborted. */
  at(file: DataFile, bytes: number, newTokens: number): void;
  /** The file has been read to its end, or is left out. */
  done(file: DataFile): void;
}

function createReading(options: PrepareOptions, files: readonly DataFile[], skipped: SkipCounter): Reading {
  const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let before = 0;
  let tokens = 0;
  return {
    options,
    skipped,
    at({ path, bytes: size }, bytes, newTokens) {
      tokens += newTokens;
      options.signal?.throwIfAborted();
      // A file that has grown since it was listed is no more than it was.
      options.onProgress?.({ path, bytes: before + Math.min(bytes, size), totalBytes, tokens });
    },
    done({ bytes }) {
      before += bytes;
    },
  };
}

async function prepareSource(
  source: DataFiles,
  files: readonly DataFile[],
  cacheFile: string,
  reading: Reading,
): Promise<Stream> {
  const only = files[0];
  const weight = source.weight === undefined ? {} : { weight: source.weight };
  if (files.length === 1 && only && tokenTypeOf(only.path)) {
    const used = await useTokenFile(only, reading);
    if (used.tokens === 0) failEmpty(source, reading);
    return { source: { ...used, ...weight } };
  }
  if (files.length === 0) failEmpty(source, reading);
  const writer = await TokenWriter.create(cacheFile, leastBytes(files, reading.options.tokenizer));
  try {
    const documents = await writeDocuments(files, writer, reading);
    if (writer.tokens === 0) failEmpty(source, reading);
    const sha256 = await writer.finish();
    return { source: { path: cacheFile, tokens: writer.tokens, documents, sha256, ...weight }, writer };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** The documents of the files, one after another with the end of text between. Returns how many there are. */
async function writeDocuments(files: readonly DataFile[], writer: TokenWriter, reading: Reading): Promise<number> {
  const { tokenizer, vocabSize } = reading.options;
  const separator = Int32Array.of(...(tokenizer.endOfText === undefined ? [] : [tokenizer.endOfText]));
  let documents = 0;
  let said = 0;
  const say = (file: DataFile, bytes: number): void => {
    reading.at(file, bytes, writer.tokens - said);
    said = writer.tokens;
  };
  // That is so for every byte; looking at all of them takes time.
  const bytesFit = tokenizer.kind === 'bytes' && (vocabSize ?? 0) >= 256;
  for (const file of files) {
    const check = !bytesFit || tokenTypeOf(file.path) !== undefined;
    const before = { mark: writer.mark(), documents };
    try {
      for await (const { tokens, first, readBytes } of tokensOf(file, reading.options)) {
        if (first) {
          if (documents > 0) await writer.write(separator);
          documents += 1;
        }
        if (check) checkVocabulary(file.path, tokens, vocabSize);
        await writer.write(tokens);
        say(file, readBytes);
      }
    } catch (error) {
      if (!(error instanceof NotText)) throw error;
      if (file.named) missing(file.path, { problem: error.message, fix: notTextFix });
      // Its beginning was text: what was written of it is taken back.
      await writer.goBack(before.mark);
      documents = before.documents;
      say(file, file.bytes);
      reading.skipped.add('notText', file.path);
    }
    reading.done(file);
  }
  if (documents > 1) checkVocabulary('the end-of-text token', separator, vocabSize);
  return documents;
}

/** Bytes that the stream of these files takes at least: what can be said before the text is read. */
function leastBytes(files: readonly DataFile[], tokenizer: Tokenizer): number {
  return files.reduce((sum, { path, bytes }) => {
    const type = tokenTypeOf(path);
    if (type !== undefined) return sum + (type === 'u16' ? 2 * bytes : bytes);
    return tokenizer.kind === 'bytes' && !path.endsWith('.jsonl') ? sum + 4 * bytes : sum;
  }, 0);
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

async function* readTokenFile(path: string): AsyncGenerator<TokenPiece> {
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

/** Reads it once through, to be sure of its tokens before a run is started on it, and to know them again. */
async function useTokenFile(file: DataFile, reading: Reading): Promise<PreparedSource> {
  const hash = createHash('sha256');
  let tokens = 0;
  for await (const piece of readTokenFile(file.path)) {
    checkVocabulary(file.path, piece.tokens, reading.options.vocabSize);
    hash.update(piece.tokens);
    tokens += piece.tokens.length;
    reading.at(file, piece.readBytes, piece.tokens.length);
  }
  reading.done(file);
  return { path: file.path, tokens, documents: 1, sha256: hash.digest('hex') };
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

function failEmpty({ files }: DataFiles, { skipped }: Reading): never {
  const left = skippedText(skipped.result());
  const fix = `${left === undefined ? '' : `${left}; `}give files with some text in them`;
  fail('DATA_EMPTY', { path: files.join(', ') || '(no files)', fix });
}
