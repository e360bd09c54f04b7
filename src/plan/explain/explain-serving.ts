// All that is said of a deployment: where the devices' time goes, what binds it, the runner-up, what would change the answer, and the rules it follows.
import { printDeployment } from '../deployments/deployment-text.ts';
import {
  compareDevices,
  type DeviceCause,
  type DeviceSeconds,
  deviceSeconds,
  type LoadLimit,
  loadLimit,
  type ServingShortage,
  servingShortage,
} from '../deployments/explain.ts';
import type { SearchingDeployments } from '../deployments/search.ts';
import type { Loaded, ServingTask } from '../deployments/task.ts';
import type { ServingCosts } from '../serving/iteration.ts';
import { judgeRules, type RuleVerdict } from './rules.ts';
import { servingCaseOf } from './serving-case.ts';
import { bestDeployments, loadDeployment, type ServingQuestion } from './serving-question.ts';
import { servingRules } from './serving-rules.ts';
import { type ServingAnswer, servingAnswer, servingChanges } from './serving-what-if.ts';

/** The best of all other deployments. */
export interface ServingRival extends Loaded {
  /** Output tokens a second and device, over those of the deployment, less 1: above nothing if it gives more. */
  readonly more: number;
  /** Seconds of all devices for an output token, more than the deployment's, by cause, the largest first. */
  readonly differences: readonly { readonly cause: DeviceCause; readonly seconds: number }[];
}

export interface ServingExplanation {
  readonly loaded: Loaded;
  readonly shortage: ServingShortage;
  /** Of all devices, for an output token. */
  readonly deviceSeconds: DeviceSeconds;
  /** Why it has no more requests under way; undefined: so many were asked for. */
  readonly limit: LoadLimit;
  /** Undefined: no other keeps the targets. */
  readonly rival?: ServingRival;
  readonly answers: readonly ServingAnswer[];
  readonly rules: readonly RuleVerdict[];
}

/** What is being done, for whoever waits. */
export interface ExplainingServing {
  readonly doing: string;
  readonly searching: SearchingDeployments;
}

/** `found`: of the question, the best first; of one alone the second best is looked for. */
export function* explainServing(
  task: ServingTask,
  found: readonly Loaded[],
  costs: ServingCosts,
  question: ServingQuestion,
): Generator<ExplainingServing, ServingExplanation, void> {
  const [loaded] = found as [Loaded];
  const { deployment } = loaded;
  const name = printDeployment(deployment);
  const known = found.length > 1 ? found : yield* told('the best', bestDeployments(task, costs, question, 2));
  const other = known.find((each) => printDeployment(each.deployment) !== name);
  const answers: ServingAnswer[] = [];
  for (const change of servingChanges(task))
    answers.push(yield* told(change.name, servingAnswer(change, deployment, costs, question)));
  const isFull = task.concurrency === undefined && question.objective !== 'latency';
  const { points } = loadDeployment(task, costs, question, deployment);
  return {
    loaded,
    shortage: servingShortage(loaded, task.speculation),
    deviceSeconds: deviceSeconds(loaded, task.speculation),
    limit: isFull && points.length > 0 ? loadLimit(loaded, points, task.targets) : undefined,
    ...(other ? { rival: rivalOf(loaded, other, task.speculation) } : {}),
    answers,
    rules: judgeRules(servingRules, servingCaseOf(task, deployment, costs)),
  };
}

const rivalOf = (loaded: Loaded, other: Loaded, speculation: ServingTask['speculation']): ServingRival => ({
  ...other,
  more: other.prediction.outputTokensPerSecondPerDevice / loaded.prediction.outputTokensPerSecondPerDevice - 1,
  differences: compareDevices(loaded, other, speculation),
});

function* told<R>(
  doing: string,
  searching: Generator<SearchingDeployments, R, void>,
): Generator<ExplainingServing, R, void> {
  for (;;) {
    const { done, value } = searching.next();
    if (done) return value;
    yield { doing, searching: value };
  }
}
