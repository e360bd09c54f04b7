// Why a layout is what it is: what obvious others gain and pay, and the rules of thumb it follows or breaks.
import type { Alternative } from '../plan/explain/alternatives.ts';
import { causeNames } from '../plan/explain/cause-names.ts';
import type { RuleVerdict } from '../plan/explain/rules.ts';
import { formatBytes, formatPercent, formatSeconds } from '../units.ts';
import { html, layoutText, type Markup, quantity } from './html.ts';
import { table } from './table.ts';

export const alternativeTable = (alternatives: readonly Alternative[]): Markup =>
  table({
    label: 'the first layout changed in one respect',
    head: ['instead', 'a step', 'gains most', 'pays most'],
    words: [0, 2, 3],
    rows: alternatives.map((each) => {
      if ('problem' in each) return [layoutText(each.changed), '', '', each.problem];
      const { changed, judged, missingBytes, slower, differences } = each;
      const share = quantity(slower, `${slower < 0 ? '−' : '+'}${formatPercent(Math.abs(slower))}`);
      const largest = (sign: 1 | -1): string => {
        const found = differences.find(({ seconds }) => sign * seconds > 0);
        return found ? `${formatSeconds(Math.abs(found.seconds))} on ${causeNames[found.cause]}` : '';
      };
      const held = formatBytes(judged.prediction.memory.total);
      const short = `does not fit: ${held}, ${formatBytes(missingBytes)} too much`;
      return [layoutText(changed), share, largest(-1), missingBytes > 0 ? short : largest(1)];
    }),
  });

export const ruleList = (rules: readonly RuleVerdict[]): Markup =>
  html`<dl class="rules">${rules.map(
    ({ rule, follows, because }) =>
      html`<div><dt>${follows ? 'follows' : 'breaks'} <b>${rule}</b></dt><dd>${because}</dd></div>`,
  )}</dl>`;
