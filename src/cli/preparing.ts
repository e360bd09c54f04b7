// Prepares the tokens of a run; says how far it is when that takes longer than a moment, and what it left out.

import { skippedText } from '../data/skipped.ts';
import type { DataFiles } from '../data/source.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { type PreparedData, type PrepareProgress, prepareTokens } from '../data/tokens.ts';
import type { ModelConfig } from '../model/config.ts';
import { type CliIo, writeLine } from './io.ts';
import { formatCount, formatPercent } from './ui/units.ts';

export interface Preparing {
  readonly sources: readonly DataFiles[];
  readonly tokenizer: Tokenizer;
  readonly config: ModelConfig;
  readonly cacheDirectory: string;
  /** Says nothing of its progress. */
  readonly quiet: boolean;
  /** How long it says nothing; 2 when not given. */
  readonly silentSeconds?: number;
}

/** On a stream that is no terminal every line stays, so there are fewer. */
const everySeconds = { terminal: 0.2, other: 10 };

export async function prepare(options: Preparing, io: CliIo): Promise<PreparedData> {
  const { sources, tokenizer, config, cacheDirectory, quiet, silentSeconds = 2 } = options;
  const terminal = io.stderr.isTTY === true;
  let next = performance.now() + silentSeconds * 1000;
  let shown = false;
  const show = ({ bytes, totalBytes, tokens }: PrepareProgress): void => {
    next = performance.now() + (terminal ? everySeconds.terminal : everySeconds.other) * 1000;
    const line = `reading data ${formatPercent(totalBytes > 0 ? bytes / totalBytes : 1)}  ${formatCount(tokens)} tokens`;
    io.stderr.write(terminal ? `\r\x1b[2K${line}` : `${line}\n`);
    shown = true;
  };
  const endLine = (): void => {
    if (shown && terminal) io.stderr.write('\r\x1b[2K');
    shown = false;
  };
  try {
    const prepared = await prepareTokens({
      sources,
      tokenizer,
      cacheDirectory,
      vocabSize: config.vocabSize,
      signal: io.signal,
      onProgress(progress) {
        if (!quiet && performance.now() >= next) show(progress);
      },
    });
    endLine();
    const left = skippedText(prepared.skipped);
    if (left !== undefined) writeLine(io.stderr, left);
    return prepared;
  } finally {
    endLine();
  }
}
