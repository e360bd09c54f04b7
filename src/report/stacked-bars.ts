// What parts a whole has, for several of them: a bar each, to one scale.
import { html, layoutText, type Markup } from './html.ts';
import type { Part } from './parts.ts';

export interface StackedBar {
  /** Before its name, where there are several. */
  readonly rank?: number;
  /** Of the layout it is of. */
  readonly name: string;
  /** The whole in words. */
  readonly text: string;
  /** By the key of its part. */
  readonly values: Readonly<Record<string, number>>;
}

export interface StackedBars {
  readonly parts: readonly Part<string>[];
  readonly bars: readonly StackedBar[];
  readonly format: (value: number) => string;
  /** A line across all bars. */
  readonly limit?: { readonly value: number; readonly text: string };
}

export function stackedBars({ parts, bars, format, limit }: StackedBars): Markup {
  const shown = parts.filter(({ key }) => bars.some(({ values }) => values[key]! > 0));
  // The line is seen where all bars end before it.
  const full = Math.max(1.01 * (limit?.value ?? 0), ...bars.map((bar) => sumOf(bar, shown)));
  return html`<ul class="legend">${shown.map(
    ({ name, colour }) => html`<li><span class="swatch ${colour}"></span>${name}</li>`,
  )}${limit && html`<li><span class="swatch limit"></span>${limit.text}</li>`}</ul>
${bars.map((bar) => drawBar(bar, { parts: shown, full, format, ...(limit ? { limit: limit.value } : {}) }))}`;
}

const sumOf = ({ values }: StackedBar, parts: readonly Part<string>[]): number =>
  parts.reduce((sum, { key }) => sum + values[key]!, 0);

interface Scale {
  readonly parts: readonly Part<string>[];
  readonly full: number;
  readonly format: (value: number) => string;
  readonly limit?: number;
}

function drawBar(bar: StackedBar, { parts, full, format, limit }: Scale): Markup {
  const percent = (value: number): string => `${((100 * value) / full).toFixed(3)}%`;
  let before = 0;
  const boxes = parts.map(({ key, name, colour }) => {
    const value = bar.values[key]!;
    const x = percent(before);
    before += value;
    return html`<rect class="${colour}" x="${x}" y="0" width="${percent(value)}" height="100%" data-part="${key}" data-value="${value}"><title>${name}: ${format(value)}</title></rect>`;
  });
  const said = parts.map(({ key, name }) => `${name} ${format(bar.values[key]!)}`).join(', ');
  const line =
    limit === undefined
      ? undefined
      : html`<line class="limit" x1="${percent(limit)}" x2="${percent(limit)}" y1="0" y2="100%" />`;
  return html`<div class="bar"><p><span>${bar.rank === undefined ? undefined : `${bar.rank}. `}${layoutText(bar.name)}</span> <b>${bar.text}</b></p>
<svg width="100%" height="22" role="img" aria-label="${bar.name}: ${said}">${boxes}${line}</svg></div>
`;
}
