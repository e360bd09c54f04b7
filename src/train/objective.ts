// What an objective makes of a run's settings: the sequences of a step and their loss.
import { pairPositions } from '../data/pairs.ts';
import { fail, option } from '../errors.ts';
import type { StepSettings } from '../step/settings.ts';
import { type RunSettings, trainDefaults } from './settings.ts';

/** Sequences of pairs are packed and hold up to so many `pairs`. */
export function stepSettings(
  { objective, beta, seqLen, pack }: Pick<RunSettings, 'objective' | 'beta' | 'seqLen' | 'pack'>,
  pairs: number,
): Pick<StepSettings, 'seqLen' | 'packed' | 'preference'> {
  const packed = pack === 'balanced' ? 'balanced' : 'by-count';
  if (objective === 'dpo') return { seqLen: pairPositions(seqLen), packed, preference: { beta: beta!, pairs } };
  return { seqLen, ...(pack ? { packed } : {}) };
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
