// The rules of thumb of serving: what the search finds best for a scenario of each, and that the verdict names the rule.
import { describe, expect, test } from 'vitest';
import { findModel } from '../../checkpoint/model-source.ts';
import { type DeploymentsFound, searchDeployments } from '../deployments/search.ts';
import type { ServingTask } from '../deployments/task.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { fittedServing } from '../serving/predict-serving.ts';
import type { ServingLayout } from '../serving/scenario.ts';
import { judgeRules } from './rules.ts';
import { servingCaseOf } from './serving-case.ts';
import { servingRules } from './serving-rules.ts';

interface Scenario {
  readonly model: string;
  readonly cluster: string;
  readonly inputTokens?: number;
  readonly secondsToFirstToken: number;
  readonly secondsPerOutputToken: number;
}

function taskOf({ model: name, cluster, inputTokens = 1024, ...targets }: Scenario): ServingTask {
  const { config } = findModel(name);
  const lengths = { inputTokens, outputTokens: 256 };
  const max = Math.max(config.positions.max, inputTokens + 256);
  return {
    model: { ...config, positions: { ...config.positions, max } },
    cluster: parseCluster(cluster),
    engine: 'vllm',
    formats: { weights: 'bf16', cache: 'bf16', activations: 'bf16' },
    lengths,
    targets,
  };
}

function bestOf(task: ServingTask): DeploymentsFound['found'][number] {
  const search = searchDeployments(task, fittedServing, { objective: 'throughput', top: 1 });
  for (;;) {
    const { done, value } = search.next();
    if (done) return value.found[0]!;
  }
}

const verdictsOf = (task: ServingTask, layout: ServingLayout, instances: number) =>
  judgeRules(servingRules, servingCaseOf(task, { kind: 'aggregated', pool: { layout, instances } }, fittedServing));

interface Row {
  readonly what: string;
  readonly scenario: Scenario;
  readonly shape: (layout: ServingLayout, instances: number) => boolean;
  readonly rule: string;
}

const soon = { secondsToFirstToken: 2, secondsPerOutputToken: 0.05 };

const rows: Row[] = [
  {
    what: 'what fits a device is replicated',
    scenario: { model: 'llama-3.1-8b', cluster: '4xh100', ...soon },
    shape: ({ tp, pp, cp, dp }) => tp * pp * cp * dp === 1,
    rule: 'replicas where the model fits a device',
  },
  {
    what: 'what does not is split over few ranks of a node',
    scenario: { model: 'llama-3.1-70b', cluster: '4xh100', ...soon },
    shape: ({ tp, pp }) => tp >= 2 && tp <= 4 && pp === 1,
    rule: 'tp inside the node, of few ranks first',
  },
  {
    what: 'too big for a node, stages of whole nodes',
    scenario: { model: 'llama-3.1-405b', cluster: '16xh100', secondsToFirstToken: 4, secondsPerOutputToken: 0.1 },
    shape: ({ tp, pp }) => tp === 8 && pp === 2,
    rule: 'pp over nodes, of tp inside them',
  },
  {
    what: 'nodes beyond those of an instance have instances of their own',
    scenario: { model: 'llama-3.1-70b', cluster: '16xh100', ...soon },
    shape: ({ tp, cp, dp, pp }, instances) => tp * cp * dp * pp === 8 && instances === 2,
    rule: 'dp over nodes',
  },
  {
    what: 'of a model that takes nodes too',
    scenario: { model: 'llama-3.1-405b', cluster: '64xh100', secondsToFirstToken: 4, secondsPerOutputToken: 0.1 },
    shape: ({ pp }, instances) => pp > 1 && instances > 1,
    rule: 'dp over nodes',
  },
  {
    what: 'a long context is shared out',
    scenario: {
      model: 'llama-3.1-8b',
      cluster: '8xh100',
      inputTokens: 1_000_000,
      secondsToFirstToken: 600,
      secondsPerOutputToken: 0.1,
    },
    shape: ({ cp }) => cp > 1,
    rule: 'long contexts are shared out',
  },
  {
    what: 'experts are shared out within the node',
    scenario: { model: 'qwen3-235b-a22b', cluster: '8xh200', ...soon },
    shape: ({ ep }) => ep > 1,
    rule: 'ep for experts, kept in the node',
  },
];

describe.each(rows)('serving: $what', ({ scenario, shape, rule }) => {
  const task = taskOf(scenario);
  const { deployment } = bestOf(task);

  test('the best deployment has this shape', () => {
    const { layout } = deployment.kind === 'aggregated' ? deployment.pool : deployment.decode;
    const instances = deployment.kind === 'aggregated' ? deployment.pool.instances : deployment.prefill.instances;
    expect([layout, instances]).toSatisfy(([of, count]) => shape(of, count));
  });

  test('the verdict names the rule, with figures', () => {
    const verdicts = judgeRules(servingRules, servingCaseOf(task, deployment, fittedServing));
    const followed = verdicts.find((each) => each.rule === rule);
    expect(followed).toMatchObject({ follows: true, because: expect.stringMatching(/\d/) });
  });
});

test('a deployment that breaks a rule is told what following it would bring', () => {
  const task = taskOf({ model: 'llama-3.1-8b', cluster: '4xh100', ...soon });
  const [verdict] = verdictsOf(task, { tp: 4, cp: 1, ep: 1, dp: 1, pp: 1 }, 1);
  expect(verdict).toMatchObject({ rule: 'replicas where the model fits a device', follows: false });
  expect(verdict!.because).toMatch(/^with instances of one device \d+\.\d % more tokens/);
});
