// Random settings of routers, for properties over models with experts.
import fc from 'fast-check';
import type { RouterSettings } from '../src/model/router.ts';
import type { StepSettings } from '../src/step/settings.ts';
import { routerOf } from '../src/train/objective.ts';

export const anyRouter = fc.option(
  fc.record({
    auxLoss: fc.constantFrom(0, 0.01, 0.5),
    zLoss: fc.constantFrom(0, 0.001, 0.2),
    biasRate: fc.constantFrom(0, 0.01),
    capacity: fc.constantFrom(undefined, 0.5, 1, 1.5),
    routing: fc.constantFrom('tokens' as const, 'tokens' as const, 'experts' as const),
  }),
  {
    nil: undefined,
    freq: 2,
  },
);

/**
 * Where all experts have as many slots whatever their scores, the balance loss has no gradient: where no token counts, all that is there
 * would be rounding. Experts that choose have no biases either.
 */
export function routerFor(
  drawn: Parameters<typeof routerOf>[0],
  { perToken, experts }: { readonly perToken: number; readonly experts: number },
): RouterSettings {
  const router = routerOf(drawn);
  const isEven = router.routing === 'experts' || perToken === experts;
  return { ...router, ...(isEven ? { auxLoss: 0 } : {}), ...(router.routing === 'experts' ? { biasRate: 0 } : {}) };
}

/** Of tokens that are alike but for the rounding of f32, experts that choose may take another on another layout. */
export function inPrecision(
  { routing, ...router }: RouterSettings,
  precision: StepSettings['precision'],
): RouterSettings {
  return routing && precision === 'f64' ? { ...router, routing } : router;
}
