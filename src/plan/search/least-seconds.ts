// Seconds of the kernels of a part at least, for a microbatch: products and attention as they are, what goes through memory as traced parts do on fewer ranks.
import type { PartName } from '../../model/params.ts';
import type { TrainingCosts } from '../training/costs.ts';
import type { LeastKernels } from './least-kernels.ts';
import { tokensOf } from './least-products.ts';
import type { SampledPass, Sampler } from './least-sample.ts';
import type { Kind, SearchTask } from './task.ts';

/** Seconds of one pass. */
export interface PassSeconds {
  /** All but attention's. */
  readonly others: number;
  readonly attention: number;
  /** How many kernels they are. */
  readonly kernels: number;
}

export interface PartSeconds {
  readonly forward: PassSeconds;
  readonly backward: PassSeconds;
  /** Where backward is cut. */
  readonly inputGradient: PassSeconds;
  readonly weightGradient: PassSeconds;
}

const nothing: PassSeconds = { others: 0, attention: 0, kernels: 0 };

export function leastSeconds(
  task: SearchTask,
  kernels: LeastKernels,
  sample: Sampler['part'],
): (kind: Kind, name: PartName, layer: number, costs: TrainingCosts) => PartSeconds {
  const { config } = task;
  const blockSeconds = (kind: Kind, layer: number, costs: TrainingCosts): PartSeconds => {
    const isFull = kind.recompute === 'full';
    const { forward, inputGradient, weightGradient, again } = kernels.products(kind, layer);
    const sampled = sample(kind, 'block', layer);
    const attention = kernels.attention(kind, layer);
    const merged = mergeSeconds(task, kind, costs);
    const back = attention.backward + (isFull ? attention.forward : 0);
    const input = inputGradient + (isFull ? again : 0);
    const moved = {
      forward: movedSeconds(sampled.forward, costs) + merged.forward,
      backward: movedSeconds(sampled.backward, costs) + merged.backward,
    };
    // Biases' gradients are sums over tokens too: how much of what is gone through is theirs is not known.
    const hasBias = config.qkvBias || config.outputBias || config.mlpBias;
    const own = hasBias ? 0 : moved.backward;
    return {
      forward: {
        others: forward + moved.forward,
        attention: attention.forward,
        kernels: countKernels(sampled.forward),
      },
      backward: {
        others: input + weightGradient + moved.backward,
        attention: back,
        kernels: countKernels(sampled.backward),
      },
      inputGradient: { others: input + own, attention: back, kernels: 2 },
      weightGradient: { others: weightGradient, attention: 0, kernels: 1 },
    };
  };
  return (kind, name, layer, costs) => {
    if (name === 'block') return blockSeconds(kind, layer, costs);
    const { forward, backward } = sample(kind, name, layer);
    const head = name === 'head' ? kernels.head(kind) : 0;
    const pass = (products: number, sampled: SampledPass): PassSeconds => ({
      others: products + movedSeconds(sampled, costs),
      attention: 0,
      kernels: countKernels(sampled),
    });
    return {
      forward: pass(0, forward),
      backward: pass(head, backward),
      inputGradient: { others: head, attention: 0, kernels: name === 'head' ? 1 : 0 },
      weightGradient: nothing,
    };
  };
}

/** Of what a device is told to do. */
const countKernels = ({ kernels, others }: SampledPass): number => kernels + others;

/** Of kernels bound by memory, whose seconds are in proportion to what they go through but for their launches. */
function movedSeconds(pass: SampledPass, { kernel }: TrainingCosts): number {
  const { kernels, floats, bytes } = pass;
  return kernels === 0 ? 0 : kernels * kernel({ kind: 'memory', floats: floats / kernels, bytes: bytes / kernels });
}

/** A ring's rank adds what each block of keys gives to what those before it gave. */
function mergeSeconds(task: SearchTask, kind: Kind, { kernel }: TrainingCosts): { forward: number; backward: number } {
  const { config } = task;
  const { tp, cp, cpMode } = kind;
  if (cp === 1 || cpMode !== 'ring' || config.latent) return { forward: 0, backward: 0 };
  const outputs = (tokensOf(task, kind) * config.heads * config.headDim) / tp;
  const forward = (cp - 1) * kernel({ kind: 'memory', floats: 3 * outputs, bytes: 0 });
  return { forward, backward: forward };
}
