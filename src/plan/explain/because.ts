// Why the best of a search is the best, in a few sentences: what it is bound by, what the runner-up spends more, and the rules of thumb.
import { worldSize } from '../../mesh/mesh.ts';
import { formatPercent } from '../../units.ts';
import type { ObjectiveName } from '../search/objective.ts';
import type { Found } from '../search/search.ts';
import type { CostModel } from '../training/costs.ts';
import { layoutName } from '../training/offload.ts';
import { bottleneckOf } from './bottleneck.ts';
import { compareTimes, differenceText } from './compare.ts';
import { predictorOf } from './judged.ts';
import { judgeRules, type RuleVerdict } from './rules.ts';
import { trainingRules } from './training-rules.ts';

/** `found`: at least one, the best first. */
export function becauseOf(found: readonly Found[], objective: ObjectiveName, model: CostModel): string {
  const [best, next] = found as [Found, Found?];
  const { bottleneck, because } = bottleneckOf(best.scenario, best.prediction);
  const first = `${layoutName(best.scenario)} is bound by ${bottleneck}: ${because}.`;
  const rules = judgeRules(trainingRules, { ...best, predict: predictorOf(model) });
  return `${first} ${runnerUpText(best, next, objective)} ${rulesText(rules)}`.trim();
}

function runnerUpText(best: Found, next: Found | undefined, objective: ObjectiveName): string {
  if (!next) return `No other layout fits its ${worldSize(best.scenario.layout)} devices.`;
  const named = `${layoutName(next.scenario)} with microbatches of ${next.scenario.microBatch}`;
  const [most, ...others] = compareTimes(best.prediction, next.prediction);
  const worse = next.value / best.value - 1;
  if (worse === 0 && !most) return `${named} takes as long.`;
  const spends = most ? `: it spends ${[most, ...others.slice(0, 1)].map(differenceText).join(' and ')}` : '';
  return `The runner-up, ${named}, ${worseText[objective](formatPercent(worse))}${spends}.`;
}

export const worseText: Readonly<Record<ObjectiveName, (share: string) => string>> = {
  time: (share) => `is ${share} slower`,
  cost: (share) => `costs ${share} more`,
  energy: (share) => `takes ${share} more energy`,
  memory: (share) => `needs ${share} more memory`,
};

export function rulesText(rules: readonly RuleVerdict[]): string {
  const named = (follows: boolean): string[] =>
    rules.flatMap((each) => (each.follows === follows ? [follows ? each.rule : `${each.rule} (${each.because})`] : []));
  const [kept, broken] = [named(true), named(false)];
  return [
    ...(kept.length > 0 ? [`It follows the rules of thumb: ${kept.join('; ')}.`] : []),
    ...(broken.length > 0 ? [`It breaks: ${broken.join('; ')}.`] : []),
  ].join(' ');
}
