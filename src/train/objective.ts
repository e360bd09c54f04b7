// What an objective makes of a run's settings: the sequences of a step and their loss.
import { pairPositions } from '../data/pairs.ts';
import type { StepSettings } from '../step/settings.ts';
import type { RunSettings } from './settings.ts';

/** Sequences of pairs are packed and hold up to so many `pairs`. */
export function stepSettings(
  { objective, beta, seqLen, pack }: Pick<RunSettings, 'objective' | 'beta' | 'seqLen' | 'pack'>,
  pairs: number,
): Pick<StepSettings, 'seqLen' | 'packed' | 'preference'> {
  if (objective === 'dpo') return { seqLen: pairPositions(seqLen), packed: true, preference: { beta: beta!, pairs } };
  return { seqLen, ...(pack ? { packed: true } : {}) };
}
