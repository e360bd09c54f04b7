// What the ranks of a planned run are told.
import { configText } from '../checkpoint/config-text.ts';
import type { TrainJob } from './job.ts';
import type { RunManifest } from './manifest.ts';
import type { RunPlan } from './plan-run.ts';
import { withAbsolutePaths } from './run-paths.ts';

/** `claim`: the token of the run's claim to its directory. */
export function jobOf(plan: RunPlan, claim: string): TrainJob {
  const { settings, settled, run, stepsDone, tokens, reference, evaluation, sample } = plan;
  const { given, model, weights } = settled;
  const out = given.out ?? given.resume;
  const [beta1, beta2] = run.betas;
  const { learningRate, minLearningRate, warmupSteps, decaySteps, epsilon, weightDecay, clipNorm } = run;
  const manifest: Omit<RunManifest, 'step'> = {
    run: withAbsolutePaths(run),
    data: tokens.sources.map(({ tokens: count, sha256 }) => ({ tokens: count, sha256 })),
  };
  return {
    settings,
    optimizer: {
      learningRate,
      minLearningRate,
      warmupSteps,
      decaySteps,
      beta1,
      beta2,
      epsilon,
      weightDecay,
      clipNorm,
    },
    seed: run.seed,
    sources: tokens.sources,
    heldOut: run.heldOut,
    stepsDone,
    lastStep: run.steps,
    ...(weights === undefined ? {} : { weights: weights.path, weightsIdentity: weights.identity }),
    resume: given.resume !== undefined,
    ...(out === undefined
      ? {}
      : {
          save: {
            out,
            claim,
            keepLast: run.keep,
            ...(run.weightsType ? { weightsType: run.weightsType } : {}),
            every: run.saveEvery ?? 0,
            config: configText(model.config.source, run.weightsType ?? run.precision),
            ...(run.tokenizer ? { tokenizerPath: run.tokenizer } : {}),
            manifest,
          },
        }),
    ...(reference ? { reference } : {}),
    ...(evaluation ? { evaluation } : {}),
    ...(sample ? { sample } : {}),
    measuresRate: out !== undefined,
    trace: given.trace !== undefined,
  };
}
