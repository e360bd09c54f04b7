// The measured runs that a scenario is most like, and what is predicted of them: what a prediction can be held against.
import { weightsOfToken } from '../../model/weights.ts';
import { once } from '../../step/once.ts';
import { rateOf } from '../hardware/number-format.ts';
import type { CostModel } from '../training/costs.ts';
import { predictTraining } from '../training/predict-training.ts';
import type { TrainingScenario } from '../training/scenario.ts';
import { type Anchor, anchorScenario } from './anchor.ts';
import { anchorLines } from './anchors.ts';

export interface Compared {
  readonly anchor: Anchor;
  readonly scenario: TrainingScenario;
  readonly predictedSeconds: number;
}

export const allAnchors = once((lines: string): readonly Anchor[] =>
  lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Anchor),
);

/** So many that are nearest, each predicted by the same model. */
export const nearestAnchors = (scenario: TrainingScenario, model: CostModel, count = 3): Compared[] =>
  allAnchors(anchorLines)
    .map((anchor) => ({ anchor, away: distance(scenario, anchorScenario(anchor)) }))
    .sort((a, b) => a.away - b.away)
    .slice(0, count)
    .map(({ anchor }) => {
      const found = anchorScenario(anchor);
      return { anchor, scenario: found, predictedSeconds: predictTraining(found, model).stepSeconds };
    });

/**
 * How unlike two runs are: 1 is twice the parameters, four times the devices or the tokens of a sequence, another device of the same
 * architecture, or products of another width; another kind of model or architecture is more, and axes count by how they differ.
 */
export function distance(a: TrainingScenario, b: TrainingScenario): number {
  const times = (of: (each: TrainingScenario) => number): number => Math.abs(Math.log2(of(a) / of(b)));
  const differs = (of: (each: TrainingScenario) => unknown): number => (of(a) === of(b) ? 0 : 1);
  const axes = (['tp', 'cp', 'pp', 'ep'] as const).map((axis) => times(({ layout }) => layout[axis]));
  return (
    times(({ config }) => weightsOfToken(config)) +
    0.5 * times(({ cluster }) => cluster.devices) +
    0.5 * times(({ seqLen }) => seqLen) +
    0.25 * axes.reduce((sum, each) => sum + each, 0) +
    differs(({ cluster }) => cluster.device.name) +
    2 * differs(({ cluster }) => cluster.device.architecture) +
    differs(({ formats }) => rateOf[formats.products]) +
    4 * differs(({ config }) => config.mixture === undefined) +
    0.5 * differs(({ layout }) => layout.recompute.policy) +
    0.5 * differs(({ layout }) => layout.zero === 3)
  );
}
