// Time against memory of all layouts that were predicted, and those of them that no other beats in both.
import { formatBytes, formatSeconds } from '../units.ts';
import { html, layoutText, type Markup, quantity } from './html.ts';
import { type PlotPoint, plot } from './plot.ts';
import { linearScale } from './scale.ts';
import { table } from './table.ts';

export interface Considered {
  readonly layout: string;
  readonly stepSeconds: number;
  /** Of a rank of the fullest stage. */
  readonly memoryBytes: number;
}

/** The fastest first; each that follows holds less than all before it. `usableBytes`: none may hold more. */
export function paretoFront(considered: readonly Considered[], usableBytes: number): Considered[] {
  const front: Considered[] = [];
  const inOrder = considered
    .filter(({ memoryBytes }) => memoryBytes <= usableBytes)
    .sort((a, b) => a.stepSeconds - b.stepSeconds || a.memoryBytes - b.memoryBytes);
  for (const each of inOrder)
    if (each.memoryBytes < (front.at(-1)?.memoryBytes ?? Number.POSITIVE_INFINITY)) front.push(each);
  return front;
}

/** `usable`: on a device, in bytes. */
export function frontPicture(
  considered: readonly Considered[],
  { value: usableBytes, text }: { readonly value: number; readonly text: string },
): Markup {
  const front = paretoFront(considered, usableBytes);
  const fastest = Math.min(...(front.length > 0 ? front : considered).map(({ stepSeconds }) => stepSeconds));
  // What is far too large or too slow would squeeze the rest into a corner.
  const near = considered.filter(
    ({ memoryBytes, stepSeconds }) => memoryBytes <= 2 * usableBytes && stepSeconds <= 3 * fastest,
  );
  const left = considered.length - near.length;
  const shown = front.filter((each) => near.includes(each));
  const x = linearScale(
    Math.min(fastest, ...near.map(({ stepSeconds }) => stepSeconds)),
    Math.max(fastest, ...near.map(({ stepSeconds }) => stepSeconds)),
    4,
  );
  const y = linearScale(0, Math.max(usableBytes, ...near.map(({ memoryBytes }) => memoryBytes)));
  const pointOf = (each: Considered): PlotPoint => ({
    x: each.stepSeconds,
    y: each.memoryBytes,
    title: `${each.layout}: ${formatSeconds(each.stepSeconds)}, ${formatBytes(each.memoryBytes)}`,
  });
  return html`${plot({
    label: `${near.length} layouts by the time of a step and the memory of a rank; the ${front.length} that no other beats in both are in the table below`,
    x,
    y,
    xLabel: 'time of a step',
    yLabel: 'memory of a rank',
    formatX: formatSeconds,
    formatY: formatBytes,
    series: [
      {
        name: 'layouts',
        colour: 'grey',
        as: 'points',
        points: near.filter((each) => !shown.includes(each)).map(pointOf),
      },
      {
        name: text,
        colour: 'red',
        as: 'dashes',
        points: [x.ticks[0]!, x.ticks.at(-1)!].map((at) => ({ x: at, y: usableBytes, title: '' })),
      },
      {
        name: 'the front, numbered',
        colour: 'blue',
        as: 'line',
        points: labelled(shown.map(pointOf), ({ x: seconds, y: bytes }) => [x.at(seconds), y.at(bytes)]),
      },
    ],
  })}
${left > 0 ? html`<p class="note">${left} more are far slower or hold far more than fits, and are not shown.</p>` : undefined}
${table({
  label: 'the front',
  head: ['', 'layout', 'step', 'memory'],
  words: [1],
  rows: front.map((each, i) => [
    i + 1,
    layoutText(each.layout),
    quantity(each.stepSeconds, formatSeconds(each.stepSeconds)),
    quantity(each.memoryBytes, formatBytes(each.memoryBytes)),
  ]),
})}`;
}

/** Numbered as in the table, but for those too near to the last that is: of the plot's width and height a label takes so much. */
export function labelled(
  points: readonly PlotPoint[],
  at: (point: PlotPoint) => readonly [number, number],
): PlotPoint[] {
  let last: readonly [number, number] = [-1, -1];
  return points.map((point, i) => {
    const [x, y] = at(point);
    if (Math.abs(x - last[0]) < 0.08 && Math.abs(y - last[1]) < 0.07) return point;
    last = [x, y];
    return { ...point, label: `${i + 1}` };
  });
}
