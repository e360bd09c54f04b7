// Prepares the tokens of a run; says how far it is when that takes longer than a moment.

import type { Tokenizer } from '../data/tokenizer.ts';
import { type PreparedTokens, type PrepareProgress, prepareTokens } from '../data/tokens.ts';
import type { ModelConfig } from '../model/config.ts';
import { type CliIo, throwIfStopped } from './io.ts';
import { formatCount, formatPercent } from './ui/units.ts';

export interface Preparing {
  readonly files: readonly string[];
  readonly tokenizer: Tokenizer;
  readonly config: ModelConfig;
  readonly cacheFile: string;
  /** Says nothing. */
  readonly quiet: boolean;
  /** How long it says nothing; 2 when not given. */
  readonly silentSeconds?: number;
}

/** On a stream that is no terminal every line stays, so there are fewer. */
const everySeconds = { terminal: 0.2, other: 10 };

export async function prepare(options: Preparing, io: CliIo): Promise<PreparedTokens> {
  const { files, tokenizer, config, cacheFile, quiet, silentSeconds = 2 } = options;
  const terminal = io.stderr.isTTY === true;
  let next = performance.now() + silentSeconds * 1000;
  let shown = false;
  const show = ({ bytes, totalBytes, tokens }: PrepareProgress): void => {
    next = performance.now() + (terminal ? everySeconds.terminal : everySeconds.other) * 1000;
    const line = `reading data ${formatPercent(totalBytes > 0 ? bytes / totalBytes : 1)}  ${formatCount(tokens)} tokens`;
    io.stderr.write(terminal ? `\r\x1b[2K${line}` : `${line}\n`);
    shown = true;
  };
  try {
    return await prepareTokens({
      files,
      tokenizer,
      cacheFile,
      vocabSize: config.vocabSize,
      onProgress(progress) {
        throwIfStopped(io);
        if (!quiet && performance.now() >= next) show(progress);
      },
    });
  } finally {
    if (shown && terminal) io.stderr.write('\r\x1b[2K');
  }
}
