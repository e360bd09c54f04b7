// The best deployments, against a look at every one; the fewest devices, against a play of all that take fewer.
import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../model/families.ts';
import { presets } from '../../model/presets.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import type { Deployment } from '../serving/scenario.ts';
import { plainFormats, roofline } from '../serving/stand-ins.test-support.ts';
import { deployedDevices, parseDeployment, printDeployment } from './deployment-text.ts';
import { fewestDevices, keptShare } from './fewest.ts';
import { servingFront } from './front.ts';
import { deployer, instanceSizes, servingLayouts } from './instances.ts';
import { loadOf } from './loads.ts';
import { servingObjectives, servingValue } from './objective.ts';
import { keptShareOf, playRate } from './play-rate.ts';
import { searchDeployments } from './search.ts';
import type { Loaded, ServingTask } from './task.ts';

const llama = parseModelConfig(presets['llama-3.2-1b'], 'model');
const mixtral = parseModelConfig(presets['mixtral-tiny'], 'model');

const taskOf = (given: Partial<ServingTask>): ServingTask => ({
  model: llama,
  cluster: parseCluster('4xh100'),
  engine: 'vllm',
  formats: plainFormats,
  lengths: { inputTokens: 512, outputTokens: 128 },
  targets: { secondsToFirstToken: 0.5, secondsPerOutputToken: 0.004 },
  ...given,
});

function ended<R>(search: Generator<unknown, R, void>): R {
  for (;;) {
    const { done, value } = search.next();
    if (done) return value as R;
  }
}

/** Every deployment on all devices: of one kind, and of two with all numbers of instances. */
function allDeployments({ model, cluster }: ServingTask): Deployment[] {
  const layouts = instanceSizes(cluster).flatMap((size) => servingLayouts(model, size));
  const sizeOf = (layout: (typeof layouts)[number]) => layout.tp * layout.cp * layout.dp * layout.pp;
  const { devices } = cluster;
  const aggregated = layouts.map(
    (layout): Deployment => ({ kind: 'aggregated', pool: { layout, instances: devices / sizeOf(layout) } }),
  );
  const apart = layouts.flatMap((reader) =>
    layouts.flatMap((writer) =>
      Array.from({ length: devices }, (_, i) => i + 1).flatMap((instances): Deployment[] => {
        const rest = (devices - instances * sizeOf(reader)) / sizeOf(writer);
        if (rest < 1 || !Number.isInteger(rest)) return [];
        const prefill = { layout: reader, instances };
        return [{ kind: 'disaggregated', prefill, decode: { layout: writer, instances: rest } }];
      }),
    ),
  );
  return [...aggregated, ...apart];
}

const worthOf = (objective: (typeof servingObjectives)[number], { prediction }: Loaded): number =>
  servingValue(objective, {
    outputTokensPerSecond: prediction.outputTokensPerSecond,
    secondsPerOutputToken: prediction.secondsPerOutputToken.mean,
  });

describe.each([
  ['dense', taskOf({})],
  ['a target that few keep', taskOf({ targets: { secondsToFirstToken: 0.02, secondsPerOutputToken: 0.0012 } })],
  ['so many under way', taskOf({ concurrency: 40 })],
  ['experts', taskOf({ model: mixtral, targets: { secondsToFirstToken: 1, secondsPerOutputToken: 2e-5 } })],
])('%s', (_, task) => {
  test.each(servingObjectives)('the best of %s is the best of all', (objective) => {
    const deployFor = deployer(task, roofline);
    const best = allDeployments(task)
      .flatMap((deployment) => loadOf(task, objective, deployment, deployFor(deployment)).best ?? [])
      .map((loaded) => worthOf(objective, loaded))
      .sort((a, b) => a - b);
    const { found, judged, pruned } = ended(searchDeployments(task, roofline, { objective, top: 3 }));
    const values = found.map((loaded) => worthOf(objective, loaded));
    expect(values).toEqual(values.toSorted((a, b) => a - b));
    // The load of each is found up to 3 % of its requests.
    expect(values[0]! / best[0]!).toBeLessThan(1.03);
    expect(values[0]! / best[0]!).toBeGreaterThanOrEqual(1);
    expect(pruned).toBeLessThan(judged);
    for (const { prediction } of found) {
      expect(prediction.secondsToFirstToken.mean).toBeLessThanOrEqual(task.targets.secondsToFirstToken);
      expect(prediction.secondsPerOutputToken.mean).toBeLessThanOrEqual(task.targets.secondsPerOutputToken);
    }
  });
});

test('targets that nothing keeps find nothing', () => {
  const task = taskOf({ targets: { secondsToFirstToken: 0.5, secondsPerOutputToken: 1e-6 } });
  const { found, points } = ended(searchDeployments(task, roofline, { objective: 'throughput', top: 3 }));
  expect(found).toEqual([]);
  expect(points.length).toBeGreaterThan(0);
});

test('the most requests within the targets: some more would not keep them', () => {
  const task = taskOf({});
  const deployFor = deployer(task, roofline);
  const deployment = parseDeployment('tp=1', llama, 4);
  const { best } = loadOf(task, 'throughput', deployment, deployFor(deployment));
  const more = taskOf({ concurrency: Math.ceil(1.03 * best!.concurrency) + 4 });
  expect(loadOf(more, 'throughput', deployment, deployFor(deployment)).best).toBeUndefined();
});

describe('the fewest devices', () => {
  const task = taskOf({
    cluster: parseCluster('8xh100'),
    targets: { secondsToFirstToken: 0.1, secondsPerOutputToken: 0.004 },
  });
  const fewest = (requestsPerSecond: number) => ended(fewestDevices(task, roofline, { requestsPerSecond, top: 1 }))[0];

  test.each([20, 150, 400])('for %d requests a second: all that take fewer are too slow', (requestsPerSecond) => {
    const found = fewest(requestsPerSecond)!;
    const keeps = (deployment: Deployment) =>
      keptShareOf(playRate(task, roofline, deployer(task, roofline), { deployment, requestsPerSecond })) >= keptShare;
    expect(keeps(found.deployment)).toBe(true);
    const devices = deployedDevices(found.deployment);
    for (let fewer = 1; fewer < devices; fewer++)
      for (const deployment of allDeployments({ ...task, cluster: parseCluster(`${fewer}xh100`) }))
        expect([printDeployment(deployment), keeps(deployment)]).toEqual([printDeployment(deployment), false]);
  });

  test('more requests take no fewer, and too many are too many', () => {
    const devices = [10, 100, 300].map((rate) => deployedDevices(fewest(rate)!.deployment));
    expect(devices).toEqual(devices.toSorted((a, b) => a - b));
    expect(fewest(1e6)).toBeUndefined();
  });
});

describe('the front', () => {
  const task = taskOf({ model: mixtral, targets: { secondsToFirstToken: 10, secondsPerOutputToken: 1 } });
  const { points } = ended(searchDeployments(task, roofline, { objective: 'throughput', top: 1 }));
  const front = servingFront(points);

  test('has layouts whose devices are those of an instance', () => {
    for (const { tp, pp, dp, cp, ep } of servingLayouts(mixtral, 8)) {
      expect(tp * pp * dp * cp).toBe(8);
      expect((tp * dp * cp) % ep).toBe(0);
    }
    expect(servingLayouts(llama, 8).every(({ dp, ep }) => dp === 1 && ep === 1)).toBe(true);
  });

  test('rises, and no point beats it', () => {
    expect(front.length).toBeGreaterThan(2);
    const speed = ({ prediction }: Loaded) => prediction.secondsPerOutputToken.mean;
    const rate = ({ prediction }: Loaded) => prediction.outputTokensPerSecondPerDevice;
    for (const [i, each] of front.entries()) {
      if (i === 0) continue;
      expect(speed(each)).toBeGreaterThan(speed(front[i - 1]!));
      expect(rate(each)).toBeGreaterThan(rate(front[i - 1]!));
    }
    for (const point of points)
      expect(front.some((each) => speed(each) <= speed(point) && rate(each) >= rate(point))).toBe(true);
  });
});

test('deployments as text come back', () => {
  const { cluster, model } = taskOf({ model: mixtral });
  const deployments = allDeployments(taskOf({ model: mixtral }));
  expect(deployments.length).toBeGreaterThan(50);
  for (const deployment of deployments)
    expect(parseDeployment(printDeployment(deployment), model, cluster.devices)).toEqual(deployment);
});
