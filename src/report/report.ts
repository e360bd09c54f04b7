// One page of predictions, to be opened from anywhere: what was asked, the layouts, and where memory and time go.
import type { Alternative } from '../plan/explain/alternatives.ts';
import type { RuleVerdict } from '../plan/explain/rules.ts';
import { kindsOf } from '../plan/hardware/kinds.ts';
import { fitsAll, usableBytes } from '../plan/training/fits.ts';
import type { ScalingPoint } from '../plan/training/scaling-curve.ts';
import type { TrainingPrediction, TrainingScenario } from '../plan/training/scenario.ts';
import type { Played } from '../schedule/play.ts';
import { formatBytes, formatFlopsPerSecond, formatPercent, formatSeconds } from '../units.ts';
import { curvePicture } from './curve.ts';
import { alternativeTable, ruleList } from './explained.ts';
import { type Considered, frontPicture } from './front.ts';
import { html, layoutText, type Markup, quantity } from './html.ts';
import { askedSection, figure, page, section } from './page.ts';
import { isSeen, memoryParts, timeParts } from './parts.ts';
import { shortLayout } from './short-layout.ts';
import { type StackedBar, stackedBars } from './stacked-bars.ts';
import { table } from './table.ts';
import { timeline } from './timeline.ts';

export interface ReportedLayout {
  readonly scenario: TrainingScenario;
  readonly prediction: TrainingPrediction;
  readonly dollarsPerMillionTokens?: number;
  readonly joulesPerToken?: number;
}

export interface Report {
  /** E.g. `llama-3.1-405b on 16384xh100`. */
  readonly title: string;
  /** What was asked: names and values. */
  readonly asked: readonly (readonly [name: string, value: string])[];
  /** On one cluster, the best first; at least one. */
  readonly layouts: readonly ReportedLayout[];
  /** Why the first is the best. */
  readonly because?: string;
  /** The first one changed in one respect, and the rules of thumb that apply to it. */
  readonly alternatives?: readonly Alternative[];
  readonly rules?: readonly RuleVerdict[];
  /** The first one's pipeline. */
  readonly played?: Played;
  /** The first one's; empty: there is none. */
  readonly curve?: readonly ScalingPoint[];
  /** All that were predicted, the layouts among them. */
  readonly considered?: readonly Considered[];
}

/** Layouts whose memory and time are taken apart. */
const mostCompared = 5;

/** The whole page as text; it loads nothing. */
export function writeReport(report: Report): string {
  const { title, asked, layouts, because, played } = report;
  const { alternatives = [], rules = [], curve = [], considered = [] } = report;
  const compared = layouts.slice(0, mostCompared);
  const first = layouts[0]!;
  return page(
    title,
    html`<header><h1>${title}</h1>
${headline(first)}${because === undefined ? undefined : html`<p>${because}</p>`}</header>
<main>${section(layouts.length > 1 ? 'Layouts' : 'Layout', layoutTable(layouts))}${section('Memory of a rank of the fullest stage', memoryPicture(compared))}${section('Time of a step', timePicture(compared))}${played && section('The pipeline', pipeline(first, played))}${
      considered.length > 1 ? section('Time against memory', frontPicture(considered, mostUsable(first))) : undefined
    }${alternatives.length > 0 ? section('Changed in one respect', alternativeTable(alternatives)) : undefined}${
      rules.length > 0 ? section('Rules of thumb', ruleList(rules)) : undefined
    }${curve.length > 1 ? section('Scaling', curvePicture(curve)) : undefined}${askedSection(asked)}</main>
<footer>Memory, traffic and operations are counted in the program that would run; only seconds are a model. Made by Fivefold.</footer>`,
  );
}

const nameOf: (layout: ReportedLayout) => string = shortLayout;

const numbered = (layouts: readonly ReportedLayout[], index: number): Pick<StackedBar, 'rank' | 'name'> => ({
  ...(layouts.length > 1 ? { rank: index + 1 } : {}),
  name: nameOf(layouts[index]!),
});

const headOf = (layouts: readonly ReportedLayout[], what: string): string[] =>
  layouts.length > 1 ? layouts.map((_, i) => `${i + 1}.`) : [what];

function headline({ scenario, prediction }: ReportedLayout): Markup {
  const { stepSeconds, tokensPerSecondPerDevice, mfu, memory } = prediction;
  return html`<p class="best">${layoutText(shortLayout({ scenario }))}</p>
<dl class="figures">${figure(quantity(stepSeconds, formatSeconds(stepSeconds)), 'a step')}${figure(
    quantity(tokensPerSecondPerDevice, `${Math.round(tokensPerSecondPerDevice)}`),
    'tokens/s a device',
  )}${figure(quantity(mfu, formatPercent(mfu)), 'of peak')}${figure(
    quantity(memory.total, formatBytes(memory.total)),
    fitsAll(scenario, prediction) ? 'of memory a device' : 'of memory a device: does not fit',
  )}</dl>
`;
}

function layoutTable(layouts: readonly ReportedLayout[]): Markup {
  const has = (key: 'dollarsPerMillionTokens' | 'joulesPerToken') => layouts.some((each) => each[key] !== undefined);
  const optional = (value: number | undefined, text: (value: number) => string) =>
    value === undefined ? '–' : quantity(value, text(value));
  const [dollars, joules] = [has('dollarsPerMillionTokens'), has('joulesPerToken')];
  return table({
    label: 'layouts, the best first',
    head: [
      'rank',
      'layout',
      'step',
      'tokens/s a device',
      'FLOP/s a device',
      'of peak',
      'memory',
      'fits',
      ...(dollars ? ['$ a million tokens'] : []),
      ...(joules ? ['J a token'] : []),
      'microbatches × sequences',
    ],
    words: [1],
    rows: layouts.map((each, i) => {
      const { scenario, prediction, dollarsPerMillionTokens, joulesPerToken } = each;
      const { stepSeconds, tokensPerSecondPerDevice, modelFlopsPerSecondPerDevice, mfu, memory } = prediction;
      return [
        i + 1,
        layoutText(nameOf(each)),
        quantity(stepSeconds, formatSeconds(stepSeconds)),
        quantity(tokensPerSecondPerDevice, `${Math.round(tokensPerSecondPerDevice)}`),
        quantity(modelFlopsPerSecondPerDevice, formatFlopsPerSecond(modelFlopsPerSecondPerDevice)),
        quantity(mfu, formatPercent(mfu)),
        quantity(memory.total, formatBytes(memory.total)),
        fitsAll(scenario, prediction) ? 'yes' : 'no',
        ...(dollars ? [optional(dollarsPerMillionTokens, (value) => value.toPrecision(3))] : []),
        ...(joules ? [optional(joulesPerToken, (value) => value.toPrecision(3))] : []),
        `${scenario.microbatches} × ${scenario.microBatch}`,
      ];
    }),
  });
}

/** On the device that has most, where they are of several kinds. */
function mostUsable({ scenario: { cluster } }: ReportedLayout): { readonly value: number; readonly text: string } {
  const kinds = kindsOf(cluster);
  const most = kinds.reduce((a, b) => (usableBytes(b) > usableBytes(a) ? b : a));
  const value = usableBytes(most);
  return { value, text: `usable on ${kinds.length > 1 ? most.title : 'a device'}, ${formatBytes(value)}` };
}

function memoryPicture(layouts: readonly ReportedLayout[]): Markup {
  const bars = layouts.map(({ prediction: { memory } }, i) => ({
    ...numbered(layouts, i),
    text: formatBytes(memory.total),
    values: { ...memory },
  }));
  return html`${stackedBars({
    parts: memoryParts,
    bars,
    format: formatBytes,
    limit: mostUsable(layouts[0]!),
  })}
${table({
  label: 'memory by part',
  head: ['', ...headOf(layouts, 'memory')],
  words: [0],
  rows: [...memoryParts, { key: 'total', name: 'in all' } as const].map(({ key, name }) => [
    name,
    ...layouts.map(({ prediction: { memory } }) => quantity(memory[key], formatBytes(memory[key]))),
  ]),
})}`;
}

function timePicture(layouts: readonly ReportedLayout[]): Markup {
  const parts = timeParts.filter(({ key }) =>
    layouts.some(({ prediction: { time, stepSeconds } }) => isSeen(time[key], stepSeconds)),
  );
  const bars = layouts.map(({ prediction: { time, stepSeconds } }, i) => ({
    ...numbered(layouts, i),
    text: formatSeconds(stepSeconds),
    values: { ...time },
  }));
  return html`<p class="note">On the stage that works longest.</p>
${stackedBars({ parts, bars, format: formatSeconds })}
${table({
  label: 'time by cause',
  head: ['', ...headOf(layouts, 'time')],
  words: [0],
  rows: [
    ...parts.map(({ key, name }) => [
      name,
      ...layouts.map(({ prediction: { time } }) => quantity(time[key], formatSeconds(time[key]))),
    ]),
    ['a step', ...layouts.map(({ prediction: { stepSeconds } }) => quantity(stepSeconds, formatSeconds(stepSeconds)))],
  ],
})}`;
}

function pipeline({ scenario, prediction }: ReportedLayout, played: Played): Markup {
  const after = prediction.stepSeconds - played.makespan;
  return html`<p class="note">${scenario.microbatches} microbatches over ${scenario.layout.pp} stages take ${quantity(played.makespan, formatSeconds(played.makespan))}, of which ${quantity(played.bubbleFraction, formatPercent(played.bubbleFraction))} is bubble; ${quantity(after, formatSeconds(after))} for gradients and the optimizer come after.</p>
${timeline(played)}`;
}
