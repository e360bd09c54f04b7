// The best of some layouts of another kind, as fairly as may be: each with the levels of ZeRO, the recomputation and the microbatches that suit it.
import { recomputePolicies } from '../../mesh/recompute.ts';
import { fitsAll } from '../training/fits.ts';
import type { TrainingScenario } from '../training/scenario.ts';
import type { Judged, Predict } from './judged.ts';
import { type Changes, variantOf } from './variant.ts';

/** Undefined: none of them divides what there is, or none fits. */
export function bestOf(scenario: TrainingScenario, kinds: readonly Changes[], predict: Predict): Judged | undefined {
  let best: Judged | undefined;
  for (const each of kinds.flatMap((changes) => suited(scenario, changes))) {
    const variant = variantOf(scenario, each);
    if (!variant || 'problem' in variant) continue;
    const prediction = predict(variant.scenario);
    if (!fitsAll(variant.scenario, prediction)) continue;
    if (!best || prediction.stepSeconds < best.prediction.stepSeconds)
      best = { scenario: variant.scenario, prediction };
  }
  return best;
}

/** What is given stays as it is. */
function suited({ layout, microBatch }: TrainingScenario, changes: Changes): Changes[] {
  const levels = layout.zero > 1 ? ([layout.zero, 1] as const) : ([layout.zero, 3] as const);
  return levels.flatMap((zero) =>
    recomputePolicies.flatMap((policy) =>
      [...new Set([microBatch, 1])].map((sequences) => ({
        zero,
        recompute: { policy },
        microBatch: sequences,
        ...changes,
      })),
    ),
  );
}
