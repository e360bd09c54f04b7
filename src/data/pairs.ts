// From preference data to a stream of tokens on disk and where its pairs lie, which every rank reads its own sequences of.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { AbortSignalLike } from '../abort-signal.ts';
import type { ChatTemplate } from './chat-template.ts';
import { type DataFile, listDataFiles, missing } from './list-files.ts';
import { createNumberList, type NumberList } from './number-list.ts';
import { addPairs, writePairs } from './pair-file.ts';
import { pairText } from './pair-text.ts';
import { pairTokens } from './pair-tokens.ts';
import type { PendingFile } from './pending-file.ts';
import type { PrepareProgress } from './progress.ts';
import { checkVocabulary, createReading, failEmpty, type Reading } from './reading.ts';
import { countSkipped } from './skipped.ts';
import { checkWeights, type DataFiles, type PreparedSource } from './source.ts';
import { NotText, notTextFix } from './text.ts';
import { readJsonValues } from './text-files.ts';
import { TokenWriter } from './token-writer.ts';
import type { Tokenizer } from './tokenizer.ts';
import type { PreparedData } from './tokens.ts';

export interface PairOptions {
  /** .jsonl files, and folders of them: a pair a line. */
  readonly sources: readonly DataFiles[];
  readonly tokenizer: Tokenizer;
  /** Of messages; data of strings need none. */
  readonly template?: ChatTemplate | undefined;
  readonly cacheDirectory: string;
  /** Of the model. */
  readonly vocabSize: number;
  /** Most tokens of a prompt with its completion. */
  readonly seqLen: number;
  /** As many pairs in a sequence as fit, in place of one. */
  readonly pack: boolean;
  readonly signal?: AbortSignalLike;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

/** Positions of a sequence of pairs: both completions of the longest lie in one, so that a pair is in one microbatch on one rank. */
export const pairPositions = (seqLen: number): number => 2 * seqLen;

/** As `prepareTokens`. @throws DATA_MISSING (a line that is no pair too), DATA_EMPTY, OPTION_INVALID, OUT_UNWRITABLE */
export async function preparePairs(options: PairOptions): Promise<PreparedData> {
  const { sources } = options;
  checkWeights(sources.map(({ weight = 1 }) => weight));
  const skipped = countSkipped();
  const lists: DataFile[][] = [];
  for (const { files } of sources) lists.push((await listDataFiles(files, skipped, options.signal)).filter(isPairFile));
  const reading = createReading(options, lists.flat(), skipped);
  const prepared: { readonly source: PreparedSource; readonly written: readonly (TokenWriter | PendingFile)[] }[] = [];
  try {
    for (const [index, source] of sources.entries()) {
      const name = sources.length === 1 ? 'tokens.i32.bin' : `tokens-${index + 1}.i32.bin`;
      prepared.push(await prepareSource(source, lists[index]!, join(options.cacheDirectory, name), reading));
    }
    for (const { written } of prepared) for (const file of written) await file.publish();
  } catch (error) {
    for (const { written } of prepared) for (const file of written) await file.abort();
    throw error;
  }
  return {
    sources: prepared.map(({ source }) => source),
    tokens: prepared.reduce((sum, { source }) => sum + source.tokens, 0),
    documents: prepared.reduce((sum, { source }) => sum + source.documents, 0),
    ofPairs: prepared.map(({ source }) => source.ofPairs!).reduce(addPairs),
    skipped: skipped.result(),
  };
}

/** Of a folder only its .jsonl files are read. */
function isPairFile({ path, named }: DataFile): boolean {
  if (path.endsWith('.jsonl')) return true;
  if (named)
    missing(path, { problem: 'pairs are read from .jsonl files', fix: 'give a .jsonl file with a pair a line' });
  return false;
}

async function prepareSource(
  source: DataFiles,
  files: readonly DataFile[],
  path: string,
  reading: Reading<PairOptions>,
) {
  if (files.length === 0) failEmpty(source, reading);
  const { seqLen, pack } = reading.options;
  const writer = await TokenWriter.create(path);
  try {
    const places = createNumberList();
    let cut = 0;
    for (const file of files) cut += await writeFile(file, writer, places, reading);
    if (places.length === 0) failEmpty(source, reading);
    const sha256 = await writer.finish();
    const { tokens } = writer;
    const pairs = path.replace(/\.bin$/, '.pairs');
    const { file, statistics } = await writePairs({
      path: pairs,
      seqLen: pairPositions(seqLen),
      pack,
      tokens,
      places: places.view(),
    });
    const both = createHash('sha256').update(sha256, 'hex').update(places.view()).digest('hex');
    const prepared: PreparedSource = {
      path,
      name: source.files.join(', '),
      tokens,
      documents: 2 * statistics.pairs,
      sha256: both,
      pairs,
      ofPairs: { ...statistics, cut },
      ...(source.weight === undefined ? {} : { weight: source.weight }),
    };
    return { source: prepared, written: [writer, file] };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** Returns how many pairs lost an end. */
async function writeFile(file: DataFile, writer: TokenWriter, places: NumberList, reading: Reading<PairOptions>) {
  const { tokenizer, template, vocabSize, seqLen } = reading.options;
  const { path } = file;
  let cut = 0;
  try {
    for await (const { line, value, readBytes } of readJsonValues(path)) {
      const place = { path, line };
      const pair = pairTokens(pairText(value, template, place), tokenizer, seqLen, place);
      const { prompt, chosen, rejected } = pair;
      for (const number of [writer.tokens, prompt, chosen.length, rejected.length]) places.push(number);
      for (const tokens of [chosen, rejected]) {
        checkVocabulary(path, tokens, vocabSize);
        await writer.write(tokens);
      }
      cut += pair.cut ? 1 : 0;
      reading.at(file, readBytes, chosen.length + rejected.length);
    }
  } catch (error) {
    if (error instanceof NotText) missing(path, { problem: error.message, fix: notTextFix });
    throw error;
  }
  reading.done(file);
  return cut;
}
