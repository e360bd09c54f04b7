// A sample of text on the way: a prompt gone on with by the weights that are being trained.
import { fail, option } from '../errors.ts';
import type { WritingJob } from '../generate/job.ts';
import { generateDefaults } from '../generate/options.ts';
import { windowLength } from '../generate/window.ts';
import { worldSize } from '../mesh/mesh.ts';
import { trafficBytes } from '../mesh/traffic.ts';
import { partsOfSequence } from '../model/fit.ts';
import { addBytes, type BytesSent } from '../plan/predict-step.ts';
import { elementBytes } from '../program/program.ts';
import type { LaidOut } from './settled.ts';

/** Tokens of a sample, at most: as many as the model has positions for. */
const sampleTokens = 64;

/** The sample that a run's settings ask for; OPTION_INVALID when its prompt cannot be one. */
export function planSample({ run, model, layout, tokenizer }: LaidOut): WritingJob {
  const prompt = Array.from(tokenizer.encode(run.samplePrompt, { addSpecialTokens: true }));
  const outside = prompt.find((token) => token >= model.config.vocabSize);
  if (prompt.length === 0 || outside !== undefined)
    fail('OPTION_INVALID', {
      option: option('samplePrompt'),
      problem: outside === undefined ? 'it holds no tokens' : `token ${outside} is outside the model's vocabulary`,
      fix: 'write some text',
    });
  // Within the positions that can be cut, if they have to: a sample is no reason to refuse a run.
  const most = model.config.positions.max - (model.config.positions.max % partsOfSequence(layout));
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

/** What a rank of a stage sends for a sample besides its forward passes, one a token: the logits to who picks, who tells the others. */
export function sampleTalk(
  { settings: { config, layout, precision }, maxTokens }: WritingJob,
  stage: number,
): BytesSent {
  const size = worldSize(layout);
  if (size === 1) return {};
  const picked: BytesSent = { world: { broadcast: maxTokens * trafficBytes('broadcast', 8, size) } };
  if (layout.cp === 1 || stage < layout.pp - 1) return picked;
  const bytes = config.vocabSize * elementBytes('float', precision);
  return addBytes(picked, { cp: { broadcast: maxTokens * trafficBytes('broadcast', bytes, layout.cp) } });
}
