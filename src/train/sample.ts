// A sample of text on the way: a prompt gone on with by the weights that are being trained.
import { fail, option } from '../errors.ts';
import type { WritingJob } from '../generate/job.ts';
import { generateDefaults } from '../generate/options.ts';
import { windowLength } from '../generate/window.ts';
import { worldSize } from '../mesh/mesh.ts';
import { trafficBytes } from '../mesh/traffic.ts';
import type { BytesSent } from '../plan/predict-step.ts';
import type { Settled } from './settle.ts';

/** Tokens of a sample, at most: as many as the model has positions for. */
const sampleTokens = 64;

/** The sample that a run's settings ask for; OPTION_INVALID when its prompt cannot be one. */
export function planSample({ run, model, layout, tokenizer }: Settled): WritingJob {
  const prompt = Array.from(tokenizer.encode(run.samplePrompt, { addSpecialTokens: true }));
  const outside = prompt.find((token) => token >= model.config.vocabSize);
  if (prompt.length === 0 || outside !== undefined)
    fail('OPTION_INVALID', {
      option: option('samplePrompt'),
      problem: outside === undefined ? 'it holds no tokens' : `token ${outside} is outside the model's vocabulary`,
      fix: 'write some text',
    });
  // Within the positions that sp can cut, if it has to: a sample is no reason to refuse a run.
  const most = model.config.positions.max - (model.config.positions.max % (layout.sp ? layout.tp : 1));
  const maxTokens = Math.min(sampleTokens, Math.max(1, most - prompt.length + 1));
  const seqLen = windowLength(model.config.positions.max, prompt.length + maxTokens - 1, layout);
  return {
    settings: { config: model.config, layout, seqLen, precision: run.precision, microBatch: 1, microbatches: 1 },
    ...(run.tokenizer === undefined ? {} : { tokenizerPath: run.tokenizer }),
    prompt,
    maxTokens,
    sampling: { temperature: generateDefaults.temperature },
    seed: run.seed,
    stop: [],
  };
}

/** What a sample sends besides its forward passes, one a token: who picks tells the others. */
export function sampleTalk({ settings, maxTokens }: WritingJob): BytesSent {
  const size = worldSize(settings.layout);
  return size > 1 ? { world: { broadcast: maxTokens * trafficBytes('broadcast', 8, size) } } : {};
}
