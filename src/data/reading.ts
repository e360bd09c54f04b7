// What is common to the ways in which data files become tokens: how far they are read, and what tokens they may hold.
import { type AbortSignalLike, throwIfAborted } from '../abort-signal.ts';
import { fail } from '../errors.ts';
import type { DataFile } from './list-files.ts';
import type { PrepareProgress } from './progress.ts';
import { type SkipCounter, skippedText } from './skipped.ts';
import type { DataFiles } from './source.ts';

export interface ReadingOptions {
  /** Aborted, reading ends with the signal's reason. */
  readonly signal?: AbortSignalLike;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

/** What the sources share while they are read one after another. */
export interface Reading<O extends ReadingOptions = ReadingOptions> {
  readonly options: O;
  readonly skipped: SkipCounter;
  /** So many bytes of the file have been read; says so, and throws when the signal is aborted. */
  at(file: DataFile, bytes: number, newTokens: number): void;
  /** The file has been read to its end, or is left out. */
  done(file: DataFile): void;
}

export function createReading<O extends ReadingOptions>(
  options: O,
  files: readonly DataFile[],
  skipped: SkipCounter,
): Reading<O> {
  const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let before = 0;
  let tokens = 0;
  return {
    options,
    skipped,
    at({ path, bytes: size }, bytes, newTokens) {
      tokens += newTokens;
      throwIfAborted(options.signal);
      // A file that has grown since it was listed is no more than it was.
      options.onProgress?.({ path, bytes: before + Math.min(bytes, size), totalBytes, tokens });
    },
    done({ bytes }) {
      before += bytes;
    },
  };
}

/** @throws OPTION_INVALID for a token that the model has not */
export function checkVocabulary(path: string, tokens: Int32Array, vocabSize: number | undefined): void {
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

/** Ends with DATA_EMPTY. */
export function failEmpty({ files }: DataFiles, { skipped }: Reading): never {
  const left = skippedText(skipped.result());
  const fix = `${left === undefined ? '' : `${left}; `}give files with some text in them`;
  fail('DATA_EMPTY', { path: files.join(', ') || '(no files)', fix });
}
