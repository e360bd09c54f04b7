// From data files to streams of tokens on disk, which every rank reads its own slices of.
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { AbortSignalLike } from '../abort-signal.ts';
import { fail, option } from '../errors.ts';
import { type DataFile, listDataFiles, missing } from './list-files.ts';
import { createNumberList, type NumberList } from './number-list.ts';
import { readableDocuments } from './packing.ts';
import { addPacked, type PackedStatistics, writePacking } from './packing-file.ts';
import type { PairStatistics } from './pair-file.ts';
import type { PendingFile } from './pending-file.ts';
import type { PrepareProgress } from './progress.ts';
import { checkVocabulary, createReading, failEmpty, type Reading } from './reading.ts';
import { countSkipped, type Skipped } from './skipped.ts';
import { checkWeights, type DataFiles, type PreparedSource } from './source.ts';
import { NotText, notTextFix } from './text.ts';
import { tokenTypeOf } from './token-file.ts';
import { readTokenFile, tokensOf } from './token-pieces.ts';
import { TokenWriter } from './token-writer.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface PrepareOptions {
  /** Each becomes a stream of its own; see `dataSources`. */
  readonly sources: readonly DataFiles[];
  readonly tokenizer: Tokenizer;
  /** Where streams go, as tokens.i32.bin, or tokens-1.i32.bin and so on of several; old files are replaced. */
  readonly cacheDirectory: string;
  /** Vocabulary of the model: a token at or above it is an error. Unchecked without it. */
  readonly vocabSize?: number;
  /** Packs the documents into sequences of so many tokens, too: how is written as tokens.i32.packing and so on. */
  readonly packTo?: number;
  /** Bytes of text read and tokenized at a time; default 1 MiB. */
  readonly pieceBytes?: number;
  /** Aborted, it ends with the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignalLike;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

export interface PreparedData {
  /** For `openSequences`, in the order of the options' sources. */
  readonly sources: readonly PreparedSource[];
  /** Of all sources. */
  readonly tokens: number;
  readonly documents: number;
  /** Of all sources, when they are packed. */
  readonly packed?: PackedStatistics;
  /** Of all sources, when they hold pairs. */
  readonly ofPairs?: PairStatistics;
  /** What the folders held besides. */
  readonly skipped: Skipped;
}

/**
 * Tokenizes the files of every source into one stream; between two documents stands the end-of-text token, if the tokenizer
 * has one. A source that is one token file is used where it is. Memory does not grow with the files. Text is tokenized in
 * pieces cut at line ends (see `cutPoint`): with bytes the result never depends on it, with byte-pair tokenizers only in text
 * that has no plain line end for half a piece (a token or two at the cut). A tokenizer that marks the start of its input, as
 * SentencePiece models do, marks each piece. Documents that are packed end with the end-of-text token, the last one too.
 * @throws DATA_MISSING, DATA_EMPTY, OPTION_INVALID (a token outside the vocabulary, weights, what cannot be packed), OUT_UNWRITABLE
 * (no room either)
 */
export async function prepareTokens(options: PrepareOptions): Promise<PreparedData> {
  const { sources } = options;
  checkWeights(sources.map(({ weight = 1 }) => weight));
  const skipped = countSkipped();
  const lists: DataFile[][] = [];
  for (const { files } of sources) lists.push(await listDataFiles(files, skipped, options.signal));
  if (options.packTo !== undefined) refuseTokenFiles(lists.flat());
  const reading = createReading(options, lists.flat(), skipped);
  const streams: Stream[] = [];
  try {
    for (const [index, source] of sources.entries()) {
      const name = sources.length === 1 ? 'tokens.i32.bin' : `tokens-${index + 1}.i32.bin`;
      streams.push(await prepareSource(source, lists[index]!, join(options.cacheDirectory, name), reading));
    }
    checkNotReplaced(streams);
    for (const { written } of streams) for (const file of written) await file.publish();
  } catch (error) {
    for (const { written } of streams) for (const file of written) await file.abort();
    throw error;
  }
  const packed = streams.flatMap(({ source }) => (source.packed ? [source.packed] : []));
  return {
    sources: streams.map(({ source }) => source),
    tokens: streams.reduce((sum, { source }) => sum + source.tokens, 0),
    documents: streams.reduce((sum, { source }) => sum + source.documents, 0),
    ...(packed.length > 0 ? { packed: packed.reduce(addPacked) } : {}),
    skipped: skipped.result(),
  };
}

interface Stream {
  readonly source: PreparedSource;
  /** Files that have finished, and not their names yet; none of a file that is used where it is. */
  readonly written: readonly (TokenWriter | PendingFile)[];
}

/** Where the documents of a stream of tokens end, nobody knows. */
function refuseTokenFiles(files: readonly DataFile[]): void {
  const tokens = files.find(({ path }) => tokenTypeOf(path));
  if (tokens)
    refusePacking(
      `${tokens.path} holds tokens, which do not say where documents begin`,
      'give text or .jsonl files, or leave it out',
    );
}

const refusePacking = (problem: string, fix: string): never =>
  fail('OPTION_INVALID', { option: option('pack'), problem, fix });

/** A token file that is used where it is must not be where another source's stream goes. */
function checkNotReplaced(streams: readonly Stream[]): void {
  const paths = new Set(streams.flatMap(({ written }) => written.map(({ path }) => resolve(path))));
  const both = streams.find(({ source, written }) => written.length === 0 && paths.has(resolve(source.path)));
  if (!both) return;
  const fix = 'move that file, or use another folder for the tokens';
  fail('OPTION_INVALID', { option: both.source.path, problem: "another source's tokens would replace it", fix });
}

async function prepareSource(
  source: DataFiles,
  files: readonly DataFile[],
  cacheFile: string,
  reading: Reading<PrepareOptions>,
): Promise<Stream> {
  const only = files[0];
  const weight = source.weight === undefined ? {} : { weight: source.weight };
  if (files.length === 1 && only && tokenTypeOf(only.path)) {
    const used = await useTokenFile(only, reading);
    if (used.tokens === 0) failEmpty(source, reading);
    return { source: { ...used, ...weight }, written: [] };
  }
  if (files.length === 0) failEmpty(source, reading);
  const writer = await TokenWriter.create(cacheFile, leastBytes(files, reading.options.tokenizer));
  try {
    const starts = await writeDocuments(files, writer, reading);
    if (writer.tokens === 0) failEmpty(source, reading);
    const sha256 = await writer.finish();
    const { tokens } = writer;
    const stream = {
      path: cacheFile,
      name: source.files.join(', '),
      tokens,
      documents: starts.length,
      sha256,
      ...weight,
    };
    const { packTo, signal } = reading.options;
    if (packTo === undefined) return { source: stream, written: [writer] };
    starts.push(tokens);
    const bounds = starts.view();
    if (readableDocuments(bounds) === 0)
      refusePacking(
        `no document in ${source.files.join(', ')} has a second token to predict`,
        'give longer documents, or leave it out',
      );
    const packing = cacheFile.replace(/\.bin$/, '.packing');
    const { file, packed } = await writePacking(bounds, { path: packing, seqLen: packTo, signal });
    const both = createHash('sha256').update(sha256, 'hex').update(bounds).digest('hex');
    return { source: { ...stream, sha256: both, packing, packed }, written: [writer, file] };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** The documents of the files, one after another with the end of text between. Returns where each begins. */
async function writeDocuments(
  files: readonly DataFile[],
  writer: TokenWriter,
  reading: Reading<PrepareOptions>,
): Promise<NumberList> {
  const { tokenizer, vocabSize, packTo } = reading.options;
  const separator = Int32Array.of(...(tokenizer.endOfText === undefined ? [] : [tokenizer.endOfText]));
  const starts = createNumberList();
  let said = 0;
  const say = (file: DataFile, bytes: number): void => {
    reading.at(file, bytes, writer.tokens - said);
    said = writer.tokens;
  };
  // That is so for every byte; looking at all of them takes time.
  const bytesFit = tokenizer.kind === 'bytes' && (vocabSize ?? 0) >= 256;
  for (const file of files) {
    const check = !bytesFit || tokenTypeOf(file.path) !== undefined;
    const before = { mark: writer.mark(), documents: starts.length };
    try {
      for await (const { tokens, first, readBytes } of tokensOf(file, tokenizer, reading.options.pieceBytes)) {
        if (first) {
          if (starts.length > 0) await writer.write(separator);
          starts.push(writer.tokens);
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
      starts.truncate(before.documents);
      say(file, file.bytes);
      reading.skipped.add('notText', file.path);
    }
    reading.done(file);
  }
  const ends = packTo !== undefined && starts.length > 0;
  if (ends) await writer.write(separator);
  if (ends || starts.length > 1) checkVocabulary('the end-of-text token', separator, vocabSize);
  return starts;
}

/** Bytes that the stream of these files takes at least: what can be said before the text is read. */
function leastBytes(files: readonly DataFile[], tokenizer: Tokenizer): number {
  return files.reduce((sum, { path, bytes }) => {
    const type = tokenTypeOf(path);
    if (type !== undefined) return sum + (type === 'u16' ? 2 * bytes : bytes);
    return tokenizer.kind === 'bytes' && !path.endsWith('.jsonl') ? sum + 4 * bytes : sum;
  }, 0);
}

/** Reads it once through, to be sure of its tokens before a run is started on it, and to know them again. */
async function useTokenFile(file: DataFile, reading: Reading<PrepareOptions>): Promise<PreparedSource> {
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
