// Continues a prompt on the ranks of one machine, with a whole-window forward pass a token.

import { identityOf } from '../checkpoint/hf-directory.ts';
import { findModel, type ModelSource } from '../checkpoint/model-source.ts';
import { loadTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { fail, option } from '../errors.ts';
import { checkFit } from '../model/fit.ts';
import { refusePlanOnly } from '../model/plan-only.ts';
import { checkGenerationFits } from '../plan/machine.ts';
import { availableMemory } from '../runtime/available-memory.ts';
import { runWorld } from '../runtime/world.ts';
import { readLayoutFile } from '../schedule/schedules.ts';
import { checkObject } from '../settings.ts';
import type { StepSettings } from '../step/settings.ts';
import { forwardTalkOf } from '../step/talk.ts';
import type { Generated, GenerateJob, GenerateReport } from './job.ts';
import { type GenerateOptions, type GenerateSettings, parseGenerateOptions } from './options.ts';
import { windowLength } from './window.ts';

/**
 * The text and the tokens that follow a prompt. They depend on the model, the prompt, the sampling and the seed alone: in f64 every
 * layout gives the same tokens. In f32 layouts round differently (about 1e-6 of the largest logit), so they part where two logits, or
 * a draw and the border between two tokens, are closer than that.
 *
 * Throws OPTION_INVALID, LAYOUT_*, CHECKPOINT_*, CONFIG_INVALID before anything runs, and what runWorld throws.
 */
export async function generate(options: GenerateOptions): Promise<Generated> {
  checkObject(options);
  const settings = parseGenerateOptions(options);
  const job = planGeneration(settings);
  const talk = forwardTalkOf(job.settings);
  const { onToken, onText, pool, signal } = options;
  const results = (await runWorld({
    plan: { ...talk, timeoutSeconds: settings.timeoutSeconds },
    rankModule: new URL(import.meta.url.endsWith('.ts') ? './rank.ts' : './rank.js', import.meta.url),
    jobs: Array.from({ length: talk.size }, () => job),
    onReport(_rank, message) {
      const { token, text } = message as GenerateReport;
      if (token !== undefined) onToken?.(token, text);
      if (text !== '') onText?.(text);
    },
    ...(pool ? { pool } : {}),
    ...(signal ? { signal } : {}),
  })) as (Generated | undefined)[];
  // Only the rank that picks the tokens returns them.
  return results.find((result) => result !== undefined)!;
}

/** What every rank is told; everything that can be refused is refused here. */
export function planGeneration(settings: GenerateSettings): GenerateJob {
  const { layout, precision, maxTokens, temperature, topK, topP, minP, seed, stop } = settings;
  const model = typeof settings.model === 'string' ? findModel(settings.model) : settings.model;
  const { config, weights } = model;
  refusePlanOnly(config);
  const tokenizerPath = settings.tokenizer ?? model.tokenizerPath;
  const { prompt, endOfText } = readPrompt(settings.prompt, () => loadTokenizer(tokenizerPath));
  checkTokens(prompt, settings.stopToken, model);
  if (weights === undefined)
    fail('CHECKPOINT_MISSING', {
      path: config.family,
      problem: 'the model has no weights',
      fix: `pass a checkpoint directory as ${option('model')}`,
    });
  if (layout.dp > 1)
    fail('OPTION_INVALID', {
      option: `${option('layout')} dp=${layout.dp}`,
      problem: 'one prompt leaves nothing for replicas',
      fix: 'split it over tp, cp, ep and pp',
    });
  // The last token is not looked at again.
  const seqLen = windowLength(config.positions.max, prompt.length + maxTokens - 1, layout);
  // Ranks of ep have the same prompt: they share the experts out.
  checkFit(config, layout, { seqLen, globalBatch: layout.ep, microBatch: 1 });
  // Its order is of training steps, so only its stages matter here.
  readLayoutFile(layout);
  const window: StepSettings = { config, layout, seqLen, precision, microBatch: 1, microbatches: 1 };
  checkGenerationFits(window, prompt.length, availableMemory());
  const stopToken = settings.stopToken ?? endOfText;
  return {
    settings: window,
    weights,
    weightsIdentity: identityOf(weights),
    ...(tokenizerPath === undefined ? {} : { tokenizerPath }),
    prompt,
    maxTokens,
    sampling: {
      temperature,
      ...(topK === undefined ? {} : { topK }),
      ...(topP === undefined ? {} : { topP }),
      ...(minP === undefined ? {} : { minP }),
    },
    seed,
    stop,
    ...(stopToken === undefined ? {} : { stopToken }),
  };
}

function readPrompt(
  prompt: string | ArrayLike<number>,
  tokenizer: () => Tokenizer,
): { readonly prompt: readonly number[]; readonly endOfText?: number } {
  if (typeof prompt !== 'string') return { prompt: Array.from(prompt) };
  const { encode, endOfText } = tokenizer();
  return {
    prompt: Array.from(encode(prompt, { addSpecialTokens: true })),
    ...(endOfText === undefined ? {} : { endOfText }),
  };
}

function checkTokens(prompt: readonly number[], stopToken: number | undefined, { config }: ModelSource): void {
  if (prompt.length === 0)
    fail('OPTION_INVALID', { option: option('prompt'), problem: 'it holds no tokens', fix: 'write some text' });
  const isOutside = (token: number): boolean => !Number.isInteger(token) || token < 0 || token >= config.vocabSize;
  const refuse = (key: string, token: number): never =>
    fail('OPTION_INVALID', {
      option: option(key),
      problem: `token ${token} is outside the model's vocabulary of ${config.vocabSize}`,
      fix: "use the model's own tokenizer",
    });
  const outside = prompt.findIndex(isOutside);
  if (outside >= 0) refuse('prompt', prompt[outside]!);
  if (stopToken !== undefined && isOutside(stopToken)) refuse('stopToken', stopToken);
}
