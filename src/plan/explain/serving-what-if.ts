// What changes the answer to a question of serving: links, memory and targets, each twice and half of what they are, with a search of its own.
import { printDeployment } from '../deployments/deployment-text.ts';
import type { SearchingDeployments } from '../deployments/search.ts';
import type { Loaded, ServingTask } from '../deployments/task.ts';
import type { ServingCosts } from '../serving/iteration.ts';
import type { Deployment } from '../serving/scenario.ts';
import { linkChanges, memoryChanges, twiceAndHalf } from './cluster-changes.ts';
import { bestDeployments, loadDeployment, questionValue, type ServingQuestion } from './serving-question.ts';
import { worthChanging } from './what-if.ts';

/** Something else is asked. */
export interface ServingChange {
  /** E.g. `the first token's target half as long`. */
  readonly name: string;
  readonly task: ServingTask;
}

export interface ServingAnswer {
  readonly change: ServingChange;
  /** What is best then; undefined: nothing has room and keeps the targets. */
  readonly best?: Loaded;
  /** The deployment that was asked about; undefined: it has no room, or misses the targets. */
  readonly now?: Loaded;
  /** The best is that, or better by less than can be told. */
  readonly stays: boolean;
}

export function servingChanges(task: ServingTask): ServingChange[] {
  const { cluster, targets } = task;
  const ofTarget = (what: string, key: keyof typeof targets): ServingChange[] =>
    twiceAndHalf(what, 'as long').map(({ name, times }) => ({
      name,
      task: { ...task, targets: { ...targets, [key]: times * targets[key] } },
    }));
  return [
    ...[...linkChanges(cluster), ...memoryChanges(cluster)].map((changed) => ({
      name: changed.name,
      task: { ...task, cluster: changed.cluster },
    })),
    ...ofTarget('the time to the first token', 'secondsToFirstToken'),
    ...ofTarget('the time of a token', 'secondsPerOutputToken'),
  ];
}

/** What is best when this is asked in place of what the deployment was an answer to. */
export function* servingAnswer(
  change: ServingChange,
  deployment: Deployment,
  costs: ServingCosts,
  question: ServingQuestion,
): Generator<SearchingDeployments, ServingAnswer, void> {
  const [found] = yield* bestDeployments(change.task, costs, question, 1);
  if (!found) return { change, stays: false };
  const own = loadDeployment(change.task, costs, question, deployment).best;
  const isSame = printDeployment(found.deployment) === printDeployment(deployment);
  if (!own) return { change, best: found, stays: isSame };
  const [now, best] = [questionValue(question, own), questionValue(question, found)];
  return { change, best: found, now: own, stays: isSame || now < (1 + worthChanging) * best };
}
