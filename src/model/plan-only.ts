// Models whose sizes are known but whose program is not all there: they can be planned for, and nothing else.
import { fail } from '../errors.ts';
import type { ModelConfig } from './config.ts';

/** Throws CONFIG_INVALID for a model that is planned for alone: no other may be computed in its place. */
export function refusePlanOnly({ family, planOnly }: Pick<ModelConfig, 'family' | 'planOnly'>): void {
  if (planOnly === undefined) return;
  fail('CONFIG_INVALID', {
    path: `the ${family} config`,
    problem: `the model can be planned for but not run: ${planOnly}, which is not computed here`,
    fix: 'use a model that runs, such as a llama, qwen3 or deepseek_v3',
  });
}
