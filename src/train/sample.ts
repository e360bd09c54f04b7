// A sample of text on the way: a prompt gone on with by the weights that are being trained.
import { fail, option } from '../errors.ts';
import type { WritingJob } from '../generate/job.ts';
import { generateDefaults } from '../generate/options.ts';
import { continuePrompt } from '../generate/rank.ts';
import { windowLength } from '../generate/window.ts';
import { worldSize } from '../mesh/mesh.ts';
import { trafficBytes } from '../mesh/traffic.ts';
import { addBytes, predictRank, type RankPrediction, timesSteps } from '../plan/predict-step.ts';
import { createExecutor, type Executor } from '../runtime/executor.ts';
import { parametersOf } from '../runtime/memory.ts';
import type { Transport } from '../runtime/transport/transport.ts';
import { buildLogitsStep } from '../step/forward-step.ts';
import type { RankProgram } from '../step/step.ts';
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
    settings: { config: model.config, layout, seqLen, precision: run.precision, batch: 1 },
    ...(run.tokenizer === undefined ? {} : { tokenizerPath: run.tokenizer }),
    prompt,
    maxTokens,
    sampling: { temperature: generateDefaults.temperature },
    seed: run.seed,
    stop: [],
  };
}

export interface Sampler {
  readonly executor: Executor;
  /** The text that follows, on the rank that picks its tokens; all ranks call it together. */
  text(): string | undefined;
}

/** Works on the parameters of `training`. */
export function createSampler(
  transport: Transport,
  job: WritingJob,
  training: { readonly step: RankProgram; readonly executor: Executor },
): Sampler {
  const step = buildLogitsStep(job.settings, transport.rank);
  const executor = createExecutor(step, { transport, shared: parametersOf(training.step, training.executor.memory) });
  return { executor, text: () => continuePrompt(transport, job, { step, executor }, () => undefined)?.text };
}

/** What a sample takes on a rank: a forward pass a token, and who picked it tells the others. */
export function predictSample({ settings, maxTokens }: WritingJob, rank: number): RankPrediction {
  const step = buildLogitsStep(settings, rank);
  const passes = timesSteps(predictRank(step), maxTokens);
  const shared = step.buffers.filter(({ role }) => role === 'parameter').reduce((sum, { bytes }) => sum + bytes, 0);
  const size = worldSize(settings.layout);
  const told = size > 1 ? { world: { broadcast: maxTokens * trafficBytes('broadcast', 8, size) } } : {};
  return { ...passes, peakBytes: passes.peakBytes - shared, bytesSent: addBytes(passes.bytesSent, told) };
}
