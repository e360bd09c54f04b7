// Who talks to whom: a world has every group that a program's collectives go over.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { casesOf, settingsOf } from '../../test/random-cases.ts';
import { parseLayout } from '../mesh/layout.ts';
import { groupKey, worldSize } from '../mesh/mesh.ts';
import type { StepSettings } from './settings.ts';
import { talkOf } from './talk.ts';
import { buildTrainingStep } from './training-step.ts';

function expectGroups(settings: StepSettings): void {
  const known = new Set(talkOf(settings).groups.map(groupKey));
  for (let rank = 0; rank < worldSize(settings.layout); rank++)
    for (const each of buildTrainingStep(settings, rank).instructions)
      if (each.kind === 'collective' && each.group.ranks.length > 1)
        expect(known, `${each.site} on rank ${rank}`).toContain(groupKey(each.group));
}

const model = {
  family: 'llama',
  heads: 4,
  kvHeads: 2,
  headDim: 4,
  hidden: 12,
  mlp: 8,
  vocab: 13,
  layers: 2,
  tied: true,
  biases: true,
  window: 3,
} as const;

test.each([0, 1, 2, 3])('of tp, cp and dp together, with zero=%i', (zero) => {
  const shape = { model, seqLen: 8, microBatch: 1, microbatches: 1 };
  for (const more of ['', ',sp', ',cpMode=gather', ',cpMode=ulysses'])
    expectGroups(settingsOf({ ...shape, layout: parseLayout(`tp=2,cp=2,dp=2,zero=${zero}${more}`) }, 'f64'));
});

test.each([0, 1, 2, 3])('of cp, ep and dp together, with zero=%i, of tokens and of pairs', (zero) => {
  const mixture = { experts: 4, perToken: 2, width: 4, sharedWidth: 4, normalised: true, dense: [] };
  const shape = {
    model: { ...model, family: 'mixtral', mixture },
    seqLen: 12,
    microBatch: 1,
    microbatches: 1,
  } as const;
  const layout = parseLayout(`cp=2,ep=2,dp=2,zero=${zero}`);
  expectGroups(settingsOf({ ...shape, layout }, 'f64'));
  expectGroups(settingsOf({ ...shape, layout, preference: { beta: 0.1, pairs: 1 } }, 'f64'));
});

test('of random models and layouts of up to twelve ranks', () => {
  fc.assert(
    fc.property(casesOf(12), (each) => expectGroups(settingsOf(each, 'f64'))),
    { numRuns: 30, endOnFailure: true },
  );
});
