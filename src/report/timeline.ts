// A played pipeline on the clock: a row a stage, a box a work.
import { clip } from '../schedule/clip.ts';
import type { Played, Span } from '../schedule/play.ts';
import { isMessage, type Work, type WorkKind } from '../schedule/schedule.ts';
import { formatPercent, formatSeconds } from '../units.ts';
import { html, type Markup } from './html.ts';
import { linearScale } from './scale.ts';

const mostStages = 32;
/** Boxes of a picture: more make a page that a phone is slow to draw. */
const mostWorks = 2500;
/** In pixels. */
const rowHeight = 24;
const width = { least: 680, most: 6000, ofShortest: 7 };

export function timeline(played: Played): Markup {
  const part = shownOf(played);
  const works = worksOf(part);
  // Of the whole: what is cut is short by chance.
  const shortest = worksOf(played).reduce(
    (least, { start, end }) => Math.min(least, end - start),
    Number.POSITIVE_INFINITY,
  );
  const wide = Math.round(Math.min(width.most, Math.max(width.least, (width.ofShortest * part.makespan) / shortest)));
  const perSecond = wide / part.makespan;
  const stages = part.busy.length;
  const bottom = stages * rowHeight;
  const boxes = works.map((span) => drawWork(span, perSecond));
  const { ticks } = linearScale(0, part.makespan, Math.max(2, wide / 120));
  const marks = ticks
    .filter((tick) => tick * perSecond <= wide + 1)
    .map((tick) => {
      const x = (tick * perSecond).toFixed(1);
      const side = tick === 0 ? '' : (tick * perSecond > wide - 30 && 'right') || 'middle';
      return html`<line class="grid" x1="${x}" x2="${x}" y1="0" y2="${bottom + 5}" /><text class="${side}" x="${x}" y="${bottom + 20}">${formatSeconds(tick)}</text>
`;
    });
  const label = `timeline of ${stages} pipeline stages over ${formatSeconds(part.makespan)}, ${formatPercent(played.bubbleFraction)} of it bubble`;
  return html`${legendOf(works)}
${saidOf(played, part)}<div class="timeline"><svg class="names" width="64" height="${bottom + 26}" aria-hidden="true">${part.busy.map(
    (_, stage) => html`<text x="0" y="${stage * rowHeight + 16}">stage ${stage}</text>`,
  )}</svg>
<div class="wide" role="region" aria-label="${label}" tabindex="0"><svg width="${wide}" height="${bottom + 26}" role="img" aria-label="${label}">
${marks}${boxes}</svg></div></div>`;
}

const worksOf = ({ spans }: Played): Span[] =>
  spans.filter(({ action, start, end }) => !isMessage(action) && end > start);

/** The first stages, and of them the first works, where all were too many. */
function shownOf(played: Played): Played {
  const stages = Math.min(mostStages, played.busy.length);
  const starts = played.spans
    .filter(({ stage, action }) => stage < stages && !isMessage(action))
    .map(({ start }) => start)
    .sort((a, b) => a - b);
  return clip(played, { stages, seconds: starts[mostWorks] ?? played.makespan });
}

function saidOf(played: Played, part: Played): Markup | undefined {
  const [stages, all] = [part.busy.length, played.busy.length];
  const said = [
    ...(stages < all ? [`the first ${stages} of ${all} stages`] : []),
    ...(part.makespan < played.makespan
      ? [`the first ${formatSeconds(part.makespan)} of ${formatSeconds(played.makespan)}`]
      : []),
  ].join(', ');
  return said === ''
    ? undefined
    : html`<p class="note">Shown: ${said}.</p>
`;
}

const looks: Readonly<Record<WorkKind, { readonly name: string; readonly colour: string }>> = {
  forward: { name: 'forward', colour: 'blue' },
  backward: { name: 'backward', colour: 'green' },
  inputGradient: { name: 'gradient of its input', colour: 'green' },
  weightGradient: { name: 'gradient of its weights', colour: 'orange' },
};

function legendOf(works: readonly Span[]): Markup {
  const kinds = (Object.keys(looks) as WorkKind[]).filter((kind) => works.some(({ action }) => action.kind === kind));
  const chunked = works.some(({ action }) => action.chunk > 0);
  return html`<ul class="legend">${kinds.map(
    (kind) => html`<li><span class="swatch ${looks[kind].colour}"></span>${looks[kind].name}</li>`,
  )}<li><span class="swatch none"></span>bubble</li>${chunked ? html`<li>every other chunk of a stage is paler</li>` : undefined}</ul>`;
}

function drawWork({ stage, action, start, end }: Span, perSecond: number): Markup {
  const { kind, microbatch, chunk } = action as Work;
  const [x, wide] = [start * perSecond, (end - start) * perSecond];
  const which = `${microbatch}`;
  const { name, colour } = looks[kind];
  const title = `stage ${stage}, microbatch ${microbatch}${chunk > 0 ? `, chunk ${chunk}` : ''}: ${name}, ${formatSeconds(end - start)}`;
  const y = stage * rowHeight + 2;
  const text =
    wide > 4 + 7 * which.length
      ? html`<text class="within middle ${chunk % 2 === 1 ? 'on-pale' : ''}" x="${(x + wide / 2).toFixed(1)}" y="${y + 14}">${which}</text>`
      : undefined;
  return html`<g><title>${title}</title><rect class="work ${colour} ${chunk % 2 === 1 ? 'pale' : ''}" x="${x.toFixed(2)}" y="${y}" width="${wide.toFixed(2)}" height="${rowHeight - 4}" data-start="${start}" data-end="${end}" />${text}</g>
`;
}
