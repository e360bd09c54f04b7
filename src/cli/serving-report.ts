// What a search for deployments found, for people: a table, the front of throughput and latency, and why the best is the best.
import { printDeployment } from '../plan/deployments/deployment-text.ts';
import { compareDevices, type LoadLimit, loadLimit, servingShortage } from '../plan/deployments/explain.ts';
import { servingFront } from '../plan/deployments/front.ts';
import { servingTokenCosts } from '../plan/deployments/objective.ts';
import type { Loaded, ServingTask } from '../plan/deployments/task.ts';
import { rulesText } from '../plan/explain/because.ts';
import { judgeRules } from '../plan/explain/rules.ts';
import { servingCaseOf } from '../plan/explain/serving-case.ts';
import { servingRules } from '../plan/explain/serving-rules.ts';
import { fittedServing } from '../plan/serving/predict-serving.ts';
import type { Speculation } from '../plan/serving/scenario.ts';
import { deviceCauseNames } from '../report/serving-parts.ts';
import { formatBytes, formatPercent, formatSeconds } from '../units.ts';
import { rateText, type Shown } from './serving-prediction.ts';
import { plot } from './ui/plot.ts';
import { formatTable } from './ui/table.ts';

export const servingTable = ({ cluster }: ServingTask, found: readonly Loaded[], { colour, columns }: Shown): string =>
  formatTable({
    head: [
      '',
      'layout',
      'GPUs',
      'requests',
      'first token',
      'token',
      'requests/s',
      'tokens/s/GPU',
      'memory',
      '$/M tokens',
      'J/token',
    ],
    rows: found.map(({ deployment, concurrency, prediction }, at) => {
      const { dollarsPerMillionTokens: dollars, joulesPerToken } = servingTokenCosts(cluster, prediction);
      const { weights, buffers, cache } = prediction.memory;
      return [
        at + 1,
        printDeployment(deployment),
        prediction.devices,
        Math.round(concurrency),
        formatSeconds(prediction.secondsToFirstToken.mean),
        formatSeconds(prediction.secondsPerOutputToken.mean),
        rateText(prediction.requestsPerSecond),
        Math.round(prediction.outputTokensPerSecondPerDevice),
        formatBytes(weights + buffers + cache),
        dollars === undefined ? '-' : dollars.toPrecision(2),
        joulesPerToken === undefined ? '-' : joulesPerToken.toPrecision(2),
      ];
    }),
    align: ['right', 'left', ...Array.from({ length: 9 }, () => 'right' as const)],
    keys: 2,
    colour,
    columns,
  });

/** Undefined where there is no curve to see. */
export function showFront(title: string, points: readonly Loaded[], { colour, columns }: Shown): string | undefined {
  const front = servingFront(points).toReversed();
  if (front.length < 3) return undefined;
  const speed = ({ prediction }: Loaded) => 1 / prediction.secondsPerOutputToken.mean;
  return [
    title,
    plot({
      x: front.map(speed),
      series: [
        { name: 'tokens/s a GPU', values: front.map(({ prediction }) => prediction.outputTokensPerSecondPerDevice) },
      ],
      xLabel: 'tokens/s of a request',
      yLabel: '',
      formatX: (value) => value.toFixed(0),
      formatY: (value) => value.toFixed(0),
      height: 10,
      width: Math.max(20, Math.min(60, columns - 30)),
      colour,
    }),
  ].join('\n');
}

export const loadLimits: Readonly<Record<Exclude<LoadLimit, undefined>, string>> = {
  'first token': 'more requests would wait longer for their first token than the target',
  'output token': 'more requests would get their tokens later than the target',
  room: 'there is room for no more requests',
};

/** In a few sentences: what the best is bound by, what keeps it from doing more, what the runner-up spends more, and the rules of thumb. */
export function servingBecause(
  task: ServingTask,
  [best, next]: readonly Loaded[],
  points: readonly Loaded[] | undefined,
): string {
  if (!best) return '';
  const { bottleneck, cause, share } = servingShortage(best, task.speculation);
  const first = `${printDeployment(best.deployment)} is bound by ${bottleneck}: ${formatPercent(share)} of the devices' time goes into ${deviceCauseNames[cause]}.`;
  const limit = points && task.concurrency === undefined ? loadLimit(best, points, task.targets) : undefined;
  const second = limit === undefined ? '' : ` With ${Math.round(best.concurrency)} under way, ${loadLimits[limit]}.`;
  const third = next ? runnerUpText(best, next, task.speculation) : 'No other deployment keeps the targets.';
  const rules = judgeRules(servingRules, servingCaseOf(task, best.deployment, fittedServing));
  return `${first}${second} ${third} ${rulesText(rules)}`.trim();
}

function runnerUpText(best: Loaded, next: Loaded, speculation: Speculation | undefined): string {
  const [of, than] = [next.prediction, best.prediction];
  const name = `The runner-up, ${printDeployment(next.deployment)},`;
  if (of.devices > than.devices) return `${name} takes ${of.devices} GPUs.`;
  const slower = of.secondsPerOutputToken.mean / than.secondsPerOutputToken.mean - 1;
  const fewer = 1 - of.outputTokensPerSecondPerDevice / than.outputTokensPerSecondPerDevice;
  if (fewer < tellable)
    return slower < tellable
      ? `${name} does as much.`
      : `${name} does as much, and gives a request its tokens ${formatPercent(slower)} more slowly.`;
  const [most] = compareDevices(best, next, speculation);
  return `${name} gives ${formatPercent(fewer)} fewer tokens a second: of the devices' time a token takes ${formatSeconds(most!.seconds)} more for ${deviceCauseNames[most!.cause]}.`;
}

/** Less of a difference is none. */
const tellable = 0.0005;
