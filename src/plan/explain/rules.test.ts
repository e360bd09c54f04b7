// The rules of thumb: what the search finds best for a scenario of each, and that the reason given names the rule.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findModel } from '../../checkpoint/model-source.ts';
import { type Layout, parseLayout } from '../../mesh/layout.ts';
import { axes } from '../../mesh/mesh.ts';
import { fittedCosts } from '../cost/fitted-costs.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import { groupSpread } from '../hardware/group-spread.ts';
import { bestLayouts, type Found } from '../search/search.ts';
import { currentSoftware } from '../software/software.ts';
import { noOffload } from '../training/offload.ts';
import { mixedPrecision } from '../training/scenario.ts';
import { becauseOf } from './because.ts';
import { predictorOf } from './judged.ts';
import { judgeRules } from './rules.ts';
import { trainingRules } from './training-rules.ts';

interface Scenario {
  readonly model: string;
  readonly cluster: string;
  readonly seqLen: number;
  readonly globalBatch: number;
}

/** Of what devices hold by themselves: rules of thumb do not know of hosts. */
function bestOf({ model, cluster, ...rest }: Scenario): readonly Found[] {
  const task = {
    ...rest,
    offload: noOffload,
    config: findModel(model).config,
    cluster: parseCluster(cluster),
    formats: mixedPrecision('bf16'),
    software: currentSoftware,
  };
  return bestLayouts(task, fittedCosts, { objective: 'time', top: 2 }).found;
}

interface Row {
  readonly what: string;
  readonly scenario: Scenario;
  readonly shape: (layout: Layout) => boolean;
  readonly follows: readonly string[];
}

const rows: Row[] = [
  {
    what: 'what fits a device is replicated',
    scenario: { model: 'llama-3.2-1b', cluster: '4xh100', seqLen: 2048, globalBatch: 4 },
    shape: ({ dp }) => dp === 4,
    follows: ['start with dp'],
  },
  {
    what: 'short of memory, replicas share their state',
    scenario: { model: 'llama-3.1-8b', cluster: '8xa100-40', seqLen: 4096, globalBatch: 8 },
    shape: ({ dp, zero }) => dp === 8 && zero > 1,
    follows: ['start with dp', 'ZeRO where memory is short'],
  },
  {
    what: 'too wide for that, tp with sp inside the node',
    scenario: { model: 'llama-3.1-70b', cluster: '16xh100', seqLen: 4096, globalBatch: 16 },
    shape: ({ tp, sp }) => tp > 1 && tp <= 8 && sp,
    follows: ['tp with sp, inside the node', 'the innermost axis has the fastest links'],
  },
  {
    what: 'too deep: tp over all of a node, interleaved stages over nodes',
    scenario: { model: 'llama-3.1-405b', cluster: '256xh100', seqLen: 8192, globalBatch: 64 },
    shape: ({ tp, sp, pp, virtual }) => tp === 8 && sp && pp > 4 && virtual > 1,
    follows: ['tp with sp, inside the node', 'pp, interleaved', 'the innermost axis has the fastest links'],
  },
  {
    what: 'of a mixture experts are shared out',
    scenario: { model: 'mixtral-8x7b', cluster: '8xh200', seqLen: 4096, globalBatch: 8 },
    shape: ({ ep }) => ep === 8,
    follows: ['ep for experts, beside tp and dp'],
  },
  {
    what: 'of a large mixture on few sequences, tensor x expert x data',
    scenario: { model: 'mixtral-8x22b', cluster: '64xh200', seqLen: 4096, globalBatch: 16 },
    shape: ({ tp, sp, ep, dp }) => tp > 1 && sp && ep > 1 && dp > 1,
    follows: ['tp with sp, inside the node', 'ep for experts, beside tp and dp'],
  },
  {
    what: 'too long, cp and recomputation',
    scenario: { model: 'llama-3.1-8b', cluster: '8xh100', seqLen: 131_072, globalBatch: 2 },
    shape: ({ cp, recompute }) => cp > 1 && recompute.policy !== 'none',
    follows: ['cp and recomputation for long sequences'],
  },
];

describe.each(rows)('training: $what', ({ scenario, shape, follows }) => {
  const found = bestOf(scenario);
  const [best] = found as [Found];

  test('the best layout has this shape', () => {
    expect(best.scenario.layout).toSatisfy(shape);
  });

  test('the reason names the rule', () => {
    const verdicts = judgeRules(trainingRules, { ...best, predict: predictorOf(fittedCosts) });
    const followed = verdicts.filter((each) => each.follows).map(({ rule }) => rule);
    expect(followed).toEqual(expect.arrayContaining([...follows, 'communication is not the new bottleneck']));
    const [, named = ''] = becauseOf(found, 'time', fittedCosts).split('It follows the rules of thumb: ');
    for (const rule of follows) expect(named).toContain(rule);
  });
});

test('a layout that breaks a rule is told what following it would take', () => {
  const scenario = { model: 'llama-3.2-1b', cluster: '4xh100', seqLen: 2048, globalBatch: 4 };
  const [best] = bestOf(scenario) as [Found];
  const predict = predictorOf(fittedCosts);
  const split = { ...best.scenario, layout: parseLayout('tp=2,dp=2,zero=1'), microbatches: 2 };
  const verdicts = judgeRules(trainingRules, { scenario: split, prediction: predict(split), predict });
  const broken = verdicts.filter(({ follows }) => !follows);
  expect(broken.map(({ rule }) => rule)).toEqual(['start with dp', 'tp with sp, inside the node']);
  // The fastest of all follows it: so much less is what breaking it costs.
  const less = 1 - best.prediction.stepSeconds / predict(split).stepSeconds;
  expect(broken[0]!.because).toContain(`takes ${(100 * less).toFixed(1)} % less`);
});

test('the innermost axis has the fastest links, on any mesh and cluster', () => {
  const sizes = fc.constantFrom(1, 2, 3, 4, 6, 8);
  const mesh = fc.record({ tp: sizes, cp: sizes, ep: sizes, dp: sizes, pp: sizes });
  const tiers = fc.array(fc.constantFrom(2, 3, 4, 8), { minLength: 1, maxLength: 3 }).map((factors) =>
    factors.map((_, at) => ({
      ...parseCluster('8xh100').tiers[0]!,
      devices: factors.slice(0, at + 1).reduce((a, b) => a * b, 1),
      bytesPerSecond: 1e12 / 10 ** at,
    })),
  );
  fc.assert(
    fc.property(mesh, tiers, (mesh, within) => {
      const devices = axes.reduce((product, axis) => product * mesh[axis], 1);
      const cluster = {
        tiers: [...within, { ...within[0]!, devices: within.at(-1)!.devices * devices, bytesPerSecond: 1e9 }],
      };
      const slowest = axes
        .filter((axis) => mesh[axis] > 1)
        .map((axis) => {
          const reach = groupSpread(mesh, axis, cluster).findLastIndex((ranks) => ranks > 1);
          return cluster.tiers[reach]!.bytesPerSecond;
        });
      expect(slowest).toEqual(slowest.toSorted((a, b) => b - a));
    }),
    { numRuns: 500 },
  );
});
