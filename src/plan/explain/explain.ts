// All that is said of a layout: what it is bound by, how others compare, what would change the answer, and the rules it follows.
import type { ObjectiveName } from '../search/objective.ts';
import { type Searching, searchLayouts } from '../search/search.ts';
import type { CostModel } from '../training/costs.ts';
import type { Offload } from '../training/offload.ts';
import { type Alternative, alternatives } from './alternatives.ts';
import { bottleneckOf, type Shortage } from './bottleneck.ts';
import { compareTimes, type Difference } from './compare.ts';
import { isSameLayout, type Judged, predictorOf, taskOfScenario, withOffload } from './judged.ts';
import { judgeRules, type RuleVerdict } from './rules.ts';
import { type ShapeAdvice, shapeAdvice } from './shape-advice.ts';
import { trainingRules } from './training-rules.ts';
import { type Answer, answerTo, changesAsked } from './what-if.ts';

/** The best of all other layouts. */
export interface Rival extends Judged {
  /** Of a step, over that of the layout: less than nothing if it is faster. */
  readonly slower: number;
  /** Seconds more than the layout's, by cause, the largest first. */
  readonly differences: readonly Difference[];
}

export interface Explanation extends Judged {
  readonly shortage: Shortage;
  /** Of all that fit, for what was asked. */
  readonly isBest: boolean;
  /** Undefined: no other fits. */
  readonly rival?: Rival;
  readonly alternatives: readonly Alternative[];
  readonly answers: readonly Answer[];
  readonly shapes: readonly ShapeAdvice[];
  readonly rules: readonly RuleVerdict[];
}

export interface ExplainOptions {
  readonly objective: ObjectiveName;
  /** The best layouts, where they are known: two or more. */
  readonly found?: readonly Judged[];
  /** What others may have on their hosts; undefined: what they need. */
  readonly offload?: Offload;
}

/** What is being done, for whoever waits. */
export interface Explaining {
  readonly doing: string;
  readonly searching?: Searching;
}

export function* explainLayout(
  base: Judged,
  model: CostModel,
  { objective, found, offload }: ExplainOptions,
): Generator<Explaining, Explanation, void> {
  const { scenario, prediction } = base;
  const predict = predictorOf(model);
  const task = withOffload(taskOfScenario(scenario), offload);
  const best = found ?? (yield* told('the best layouts', searchLayouts(task, model, { objective, top: 2 }))).found;
  const tried: Alternative[] = [];
  for (const each of alternatives(base, predict)) {
    yield { doing: `instead: ${each.changed}` };
    tried.push(each);
  }
  const rules = judgeRules(trainingRules, { ...base, predict });
  const shapes = yield* sizesToldOf(base, model);
  const others = best.map((each) => each.scenario).filter((each) => !isSameLayout(each, scenario));
  const answers: Answer[] = [];
  for (const change of changesAsked(task, scenario))
    answers.push(yield* told(change.name, answerTo(change, scenario, others, model, objective)));
  const other = best.find((each) => !isSameLayout(each.scenario, scenario));
  return {
    scenario,
    prediction,
    shortage: bottleneckOf(scenario, prediction),
    isBest: best[0] !== undefined && isSameLayout(best[0].scenario, scenario),
    ...(other ? { rival: rivalOf(base, other) } : {}),
    alternatives: tried,
    answers,
    shapes,
    rules,
  };
}

export const rivalOf = ({ prediction }: Judged, other: Judged): Rival => ({
  scenario: other.scenario,
  prediction: other.prediction,
  slower: other.prediction.stepSeconds / prediction.stepSeconds - 1,
  differences: compareTimes(prediction, other.prediction),
});

function* told<R>(doing: string, searching: Generator<Searching, R, void>): Generator<Explaining, R, void> {
  for (;;) {
    const { done, value } = searching.next();
    if (done) return value;
    yield { doing, searching: value };
  }
}

function* sizesToldOf(base: Judged, model: CostModel): Generator<Explaining, ShapeAdvice[], void> {
  const trying = shapeAdvice(base, model);
  for (;;) {
    const { done, value } = trying.next();
    if (done) return value;
    yield { doing: `${value.size} ${value.to}` };
  }
}
