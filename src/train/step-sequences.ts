// Which sequence stands at each place of a run's steps: those of the endless order, or with balanced packing steps of alike ones.
import { alikeSteps } from '../data/alike-steps.ts';
import type { Sequence, Sequences } from '../data/sequences.ts';
import { attentionCost } from '../step/balance.ts';
import { type StepSettings, sequencesPerStep } from '../step/settings.ts';

/** By place: as many a step as all replicas take, from the first step of the run on. The same on every layout. */
export function stepSequences(
  settings: StepSettings,
  { sources, sequence }: Pick<Sequences, 'sources' | 'sequence'>,
): (place: number) => Sequence {
  if (settings.packed !== 'balanced') return sequence;
  const positionAt = alikeSteps({
    perStep: sequencesPerStep(settings),
    sources,
    costAt: (position) => attentionCost(sequence(position).documents!, settings),
  });
  return (place) => sequence(positionAt(place));
}
