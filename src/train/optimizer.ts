// What AdamW with gradient clipping and a cosine learning rate is told at every step.
import { type OptimizerNumbers, optimizerSettings } from '../ops/finishing.ts';
import type { Numbers } from '../program/program.ts';

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

/** What AdamW is told for step `step` (from 1): see `optimizerSettings`. */
export function writeOptimizer(into: Numbers, step: number, settings: OptimizerSettings): void {
  const { beta1, beta2, epsilon, weightDecay, clipNorm } = settings;
  const numbers: OptimizerNumbers = {
    learningRate: learningRateAt(step, settings),
    beta1,
    beta2,
    epsilon,
    weightDecay,
    clipNorm,
    biasCorrection1: 1 - beta1 ** step,
    biasCorrection2: 1 - beta2 ** step,
  };
  into.set(optimizerSettings.map((name) => numbers[name]));
}
