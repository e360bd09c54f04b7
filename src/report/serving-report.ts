// The page of a plan of serving: the deployments, where a device's bytes and an iteration's seconds go, and throughput against latency.
import { printDeployment } from '../plan/deployments/deployment-text.ts';
import { servingTokenCosts } from '../plan/deployments/objective.ts';
import type { Loaded } from '../plan/deployments/task.ts';
import type { RuleVerdict } from '../plan/explain/rules.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import type { Device } from '../plan/hardware/device.ts';
import { formatBytes, formatSeconds } from '../units.ts';
import { ruleList } from './explained.ts';
import { html, layoutText, type Markup, quantity } from './html.ts';
import { askedSection, figure, page, section } from './page.ts';
import type { Part } from './parts.ts';
import { servingFrontPicture } from './serving-front.ts';
import { iterationParts, servingMemoryParts } from './serving-parts.ts';
import { stackedBars } from './stacked-bars.ts';
import { table } from './table.ts';

export interface ServingReport {
  /** E.g. `serving llama-3.1-70b on 8xh100`. */
  readonly title: string;
  /** What was asked: names and values. */
  readonly asked: readonly (readonly [name: string, value: string])[];
  readonly cluster: Cluster;
  /** The best first; at least one. */
  readonly found: readonly Loaded[];
  /** Why the first is the best, and the rules of thumb that apply to it. */
  readonly because?: string;
  readonly rules: readonly RuleVerdict[];
  /** All deployments and loads that were looked at; empty: none but those found. */
  readonly points: readonly Loaded[];
}

/** Deployments whose memory and iteration are taken apart. */
const mostCompared = 5;

/** The whole page as text; it loads nothing. */
export function writeServingReport({ title, asked, cluster, found, because, rules, points }: ServingReport): string {
  const compared = found.slice(0, mostCompared);
  return page(
    title,
    html`<header><h1>${title}</h1>
${headline(found[0]!)}${because === undefined ? undefined : html`<p>${because}</p>`}</header>
<main>${section('Deployments', deploymentTable(cluster, found))}${section('Memory of a device that writes', memoryPicture(cluster.device, compared))}${section('An iteration that writes', iterationPicture(compared))}${
      points.length > 1 ? section('Throughput against latency', servingFrontPicture(points)) : undefined
    }${rules.length > 0 ? section('Rules of thumb', ruleList(rules)) : undefined}${askedSection(asked)}</main>
<footer>Bytes of weights and of keys and values are counted; seconds are a model. Made by Fivefold.</footer>`,
  );
}

function headline({ deployment, prediction }: Loaded): Markup {
  const { secondsToFirstToken, secondsPerOutputToken, requestsPerSecond, outputTokensPerSecondPerDevice } = prediction;
  return html`<p class="best">${layoutText(printDeployment(deployment))}</p>
<dl class="figures">${figure(quantity(outputTokensPerSecondPerDevice, `${Math.round(outputTokensPerSecondPerDevice)}`), 'tokens/s a device')}${figure(
    quantity(requestsPerSecond, rateText(requestsPerSecond)),
    'requests/s',
  )}${figure(quantity(secondsToFirstToken.mean, formatSeconds(secondsToFirstToken.mean)), 'to the first token')}${figure(
    quantity(secondsPerOutputToken.mean, formatSeconds(secondsPerOutputToken.mean)),
    'for each other token',
  )}</dl>
`;
}

const rateText = (rate: number): string => (rate < 10 ? rate.toPrecision(2) : `${Math.round(rate)}`);

const deploymentTable = (cluster: Cluster, found: readonly Loaded[]): Markup =>
  table({
    label: 'deployments, the best first',
    head: [
      'rank',
      'deployment',
      'devices',
      'requests under way',
      'first token',
      'token',
      'requests/s',
      'tokens/s a device',
      'memory',
      '$ a million tokens',
      'J a token',
    ],
    words: [1],
    rows: found.map(({ deployment, concurrency, prediction }, i) => {
      const { dollarsPerMillionTokens: dollars, joulesPerToken } = servingTokenCosts(cluster, prediction);
      const { secondsToFirstToken, secondsPerOutputToken, requestsPerSecond, outputTokensPerSecondPerDevice } =
        prediction;
      const bytes = heldBy(prediction);
      return [
        i + 1,
        layoutText(printDeployment(deployment)),
        prediction.devices,
        Math.round(concurrency),
        quantity(secondsToFirstToken.mean, formatSeconds(secondsToFirstToken.mean)),
        quantity(secondsPerOutputToken.mean, formatSeconds(secondsPerOutputToken.mean)),
        quantity(requestsPerSecond, rateText(requestsPerSecond)),
        quantity(outputTokensPerSecondPerDevice, `${Math.round(outputTokensPerSecondPerDevice)}`),
        quantity(bytes, formatBytes(bytes)),
        dollars === undefined ? '–' : quantity(dollars, dollars.toPrecision(2)),
        joulesPerToken === undefined ? '–' : quantity(joulesPerToken, joulesPerToken.toPrecision(2)),
      ];
    }),
  });

const heldBy = ({ memory: { weights, buffers, cache } }: Loaded['prediction']): number => weights + buffers + cache;

const memoryPicture = ({ memoryBytes }: Device, found: readonly Loaded[]): Markup =>
  picture(found, {
    label: 'memory by part',
    parts: servingMemoryParts,
    valuesOf: ({ memory }) => ({ ...memory }),
    totalOf: heldBy,
    format: formatBytes,
    limit: { value: memoryBytes, text: `a device has ${formatBytes(memoryBytes)}` },
  });

const iterationPicture = (found: readonly Loaded[]): Markup =>
  html`<p class="note">Of as many requests as an instance writes at once, with no prompt among them.</p>
${picture(found, {
  label: 'seconds of an iteration by cause',
  parts: iterationParts,
  valuesOf: ({ decodeIteration }) => ({ ...decodeIteration }),
  totalOf: ({ decodeIteration }) => decodeIteration.total,
  format: formatSeconds,
})}`;

interface Picture {
  readonly label: string;
  readonly parts: readonly Part<string>[];
  readonly valuesOf: (prediction: Loaded['prediction']) => Readonly<Record<string, number>>;
  readonly totalOf: (prediction: Loaded['prediction']) => number;
  readonly format: (value: number) => string;
  readonly limit?: { readonly value: number; readonly text: string };
}

/** Bars, and the same as a table. */
function picture(found: readonly Loaded[], { label, parts, valuesOf, totalOf, format, ...limit }: Picture): Markup {
  const bars = found.map(({ deployment, prediction }, i) => ({
    ...(found.length > 1 ? { rank: i + 1 } : {}),
    name: printDeployment(deployment),
    text: format(totalOf(prediction)),
    values: valuesOf(prediction),
  }));
  const cell = (value: number): Markup => quantity(value, format(value));
  return html`${stackedBars({ parts, bars, format, ...limit })}
${table({
  label,
  head: ['', ...found.map((_, i) => `${i + 1}.`)],
  words: [0],
  rows: [
    ...parts.map(({ key, name }) => [name, ...bars.map(({ values }) => cell(values[key]!))]),
    ['in all', ...found.map(({ prediction }) => cell(totalOf(prediction)))],
  ],
})}`;
}
