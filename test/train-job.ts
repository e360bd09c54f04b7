// The job that every rank of a training run has, where a test starts the ranks itself.
import type { StepSettings } from '../src/step/settings.ts';
import type { TrainJob } from '../src/train/job.ts';
import { optimizerDefaults } from '../src/train/optimizer.ts';

/** From the first step to the last on a file of tokens; nothing is evaluated, saved or traced. */
export const trainJob = (settings: StepSettings, tokenFile: string, steps: number): TrainJob => ({
  settings,
  optimizer: optimizerDefaults(1e-3, steps),
  seed: 1,
  sources: [{ path: tokenFile }],
  heldOut: 0,
  stepsDone: 0,
  lastStep: steps,
  resume: false,
  measuresRate: false,
  trace: false,
});
