// What an objective makes of a run's settings: the sequences of a step and their loss.
import { pairPositions } from '../data/pairs.ts';
import { fail, option } from '../errors.ts';
import type { ModelConfig } from '../model/config.ts';
import type { RouterSettings } from '../model/router.ts';
import type { StepSettings } from '../step/settings.ts';
import { type RunSettings, trainDefaults } from './settings.ts';

type RouterKeys = Pick<RunSettings, keyof RouterSettings>;
type OfStep = Pick<RunSettings, 'objective' | 'beta' | 'seqLen' | 'pack'> & RouterKeys;

const routerKeys = [
  'auxLoss',
  'zLoss',
  'biasRate',
  'capacity',
  'routing',
] as const satisfies readonly (keyof RouterSettings)[];

/** What of a run's settings is of routers. */
export const routerOf = ({ auxLoss, zLoss, biasRate, capacity, routing }: RouterKeys): RouterSettings => ({
  auxLoss,
  zLoss,
  biasRate,
  ...(capacity === undefined ? {} : { capacity }),
  ...(routing === 'experts' ? { routing } : {}),
});

/** Sequences of pairs are packed and hold up to so many `pairs`. */
export function stepSettings(
  { objective, beta, seqLen, pack, ...run }: OfStep,
  pairs: number,
): Pick<StepSettings, 'seqLen' | 'packed' | 'preference' | 'router'> {
  const packed = pack === 'balanced' ? 'balanced' : 'by-count';
  const given = routerOf(run);
  const router = routerKeys.some((key) => given[key]) ? { router: given } : {};
  if (objective === 'dpo')
    return { seqLen: pairPositions(seqLen), packed, preference: { beta: beta!, pairs }, ...router };
  return { seqLen, ...(pack ? { packed } : {}), ...router };
}

/** Of dpo alone: the one given, that of the run gone on with, or the usual one. @throws OPTION_INVALID */
export function betaOf(objective: RunSettings['objective'], given?: number, before?: number): number | undefined {
  if (objective === 'dpo') return given ?? before ?? trainDefaults.beta;
  if (given === undefined) return undefined;
  return fail('OPTION_INVALID', {
    option: option('beta'),
    problem: 'it says how a preference is learned',
    fix: `add ${option('objective')} dpo, or leave it out`,
  });
}

/** Settings of routers are of mixtures alone; experts that choose are used evenly as it is. @throws OPTION_INVALID */
export function checkRouter(run: RouterSettings, { mixture }: ModelConfig): void {
  const refuse = (key: keyof RouterSettings, problem: string, fix: string) =>
    fail('OPTION_INVALID', { option: option(key), problem, fix });
  for (const key of routerKeys)
    if (run[key] && !mixture)
      refuse(
        key,
        'it is for mixtures of experts, and the model is none',
        `leave it out, or give ${option('model')} a mixture`,
      );
  for (const key of ['auxLoss', 'biasRate'] as const)
    if (run[key] && run.routing === 'experts')
      refuse(
        key,
        'experts that choose their tokens are used evenly without it',
        `leave it or ${option('routing')} out`,
      );
}
