// AdamW with gradient clipping and a cosine learning rate, applied by a rank to the shards it holds.
import { adamw } from '../runtime/kernels/local.ts';
import type { Floats } from '../runtime/kernels/local-kernels.ts';
import type { RankMemory } from '../runtime/memory.ts';
import type { HeldParam } from '../step/step.ts';

export interface OptimizerSettings {
  /** Peak learning rate, reached after the warm-up. */
  readonly learningRate: number;
  /** Where the cosine ends. */
  readonly minLearningRate: number;
  readonly warmupSteps: number;
  /** The step at which the cosine ends; the lowest rate holds from then on. */
  readonly decaySteps: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Of matrices only. */
  readonly weightDecay: number;
  /** Gradients are scaled down to this global norm; 0: never. */
  readonly clipNorm: number;
}

/** Steps of the warm-up of a schedule of so many steps. */
export const defaultWarmup = (decaySteps: number): number => Math.min(100, Math.ceil(decaySteps / 10));

/** The settings that a learning rate and a number of steps leave to us: those of GPT-3 and Llama. */
export const optimizerDefaults = (learningRate: number, totalSteps: number): OptimizerSettings => ({
  learningRate,
  minLearningRate: learningRate / 10,
  warmupSteps: defaultWarmup(totalSteps),
  decaySteps: totalSteps,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
});

/** The rate of a step (from 1): linear warm-up, then half a cosine down to the minimum. */
export function learningRateAt(step: number, settings: OptimizerSettings): number {
  const { learningRate, minLearningRate, warmupSteps, decaySteps } = settings;
  if (step <= warmupSteps) return (learningRate * step) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, decaySteps - warmupSteps));
  return minLearningRate + 0.5 * (learningRate - minLearningRate) * (1 + Math.cos(Math.PI * progress));
}

/** What gradients are multiplied by so that their norm is at most `clipNorm` (as torch's clip_grad_norm_). */
export const clipScale = (norm: number, clipNorm: number): number =>
  clipNorm > 0 ? Math.min(1, clipNorm / (norm + 1e-6)) : 1;

/** Applies step `step` (from 1) to every parameter this rank holds. */
export function updateParams(
  params: readonly HeldParam[],
  memory: RankMemory,
  { step, norm, settings }: { readonly step: number; readonly norm: number; readonly settings: OptimizerSettings },
): void {
  const common = {
    learningRate: learningRateAt(step, settings),
    gradScale: clipScale(norm, settings.clipNorm),
    beta1: settings.beta1,
    beta2: settings.beta2,
    epsilon: settings.epsilon,
    biasCorrection1: 1 - settings.beta1 ** step,
    biasCorrection2: 1 - settings.beta2 ** step,
  };
  const floats = (id: number) => memory.of(id) as Floats;
  for (const { spec, param, gradient, firstMoment, secondMoment } of params)
    adamw({
      ...common,
      param: floats(param),
      grad: floats(gradient),
      firstMoment: floats(firstMoment),
      secondMoment: floats(secondMoment),
      weightDecay: spec.decays ? settings.weightDecay : 0,
    });
}
