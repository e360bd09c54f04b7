// Continues a prompt on the ranks of one machine, with a whole-window forward pass a token.

import type { ModelSource } from '../checkpoint/model-source.ts';
import { fail, option } from '../errors.ts';
import type { Layout } from '../mesh/layout.ts';
import { checkFit } from '../model/fit.ts';
import type { Precision } from '../program/onnx-builder.ts';
import { runWorld } from '../runtime/world.ts';
import type { WorldPool } from '../runtime/world-pool.ts';
import { type WindowSettings, windowTalk } from '../step/forward-step.ts';
import type { Generated, GenerateJob } from './job.ts';

export interface GenerateOptions {
  readonly model: ModelSource;
  /** tp and pp split the model; a single prompt leaves nothing for dp. */
  readonly layout: Layout;
  readonly precision: Precision;
  /** At least one token. Only as many of the last ones as the model has positions are seen. */
  readonly prompt: ArrayLike<number>;
  readonly maxTokens: number;
  /** 0: always the likeliest token. */
  readonly temperature: number;
  readonly seed: number;
  /** Ends the text; it is not returned. */
  readonly stopToken?: number;
  readonly onToken?: (token: number) => void;
  readonly pool?: WorldPool;
  readonly signal?: AbortSignal;
  readonly timeoutSeconds?: number;
}

export async function generate(options: GenerateOptions): Promise<Generated> {
  const { model, layout, precision, maxTokens } = options;
  const prompt = Array.from(options.prompt);
  checkPrompt(prompt, model);
  if (model.weights === undefined)
    fail('CHECKPOINT_MISSING', {
      path: model.config.family,
      problem: 'the model has no weights',
      fix: `pass a checkpoint directory as ${option('model')}`,
    });
  if (layout.dp > 1)
    fail('LAYOUT_NOT_YET', { setting: `dp=${layout.dp} for one prompt`, fix: 'split it over tp and pp' });
  const seqLen = windowLength(model.config.positions.max, prompt.length + maxTokens, layout);
  checkFit(model.config, layout, { seqLen, globalBatch: 1, microBatch: 1 });
  const settings: WindowSettings = { config: model.config, layout, seqLen, precision, batch: 1 };
  const { temperature, seed, stopToken } = options;
  const job: GenerateJob = {
    settings,
    weights: model.weights,
    prompt,
    maxTokens,
    temperature,
    seed,
    ...(stopToken === undefined ? {} : { stopToken }),
  };
  const talk = windowTalk(settings);
  const [result] = await runWorld({
    plan: { ...talk, timeoutSeconds: options.timeoutSeconds ?? 300 },
    rankModule: new URL(import.meta.url.endsWith('.ts') ? './rank.ts' : './rank.js', import.meta.url),
    jobs: Array.from({ length: talk.size }, () => job),
    onReport: (rank, token) => {
      if (rank === 0) options.onToken?.(token as number);
    },
    ...(options.pool ? { pool: options.pool } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  return result as Generated;
}

function checkPrompt(prompt: readonly number[], { config }: ModelSource): void {
  if (prompt.length === 0)
    fail('OPTION_INVALID', { option: option('prompt'), problem: 'it holds no tokens', fix: 'write some text' });
  const outside = prompt.find((token) => !Number.isInteger(token) || token < 0 || token >= config.vocabSize);
  if (outside !== undefined)
    fail('OPTION_INVALID', {
      option: option('prompt'),
      problem: `token ${outside} is outside the model's vocabulary of ${config.vocabSize}`,
      fix: "use the model's own tokenizer",
    });
}

/** As long as needed, at most what the model has; whole shards under sp. */
function windowLength(positions: number, tokens: number, { sp, tp }: Layout): number {
  const unit = sp ? tp : 1;
  const most = Math.floor(positions / unit) * unit;
  return Math.min(most, Math.ceil(tokens / unit) * unit);
}
