// An explanation for people: bars, tables and short sentences.
import type { Alternative } from '../plan/explain/alternatives.ts';
import { causeNames } from '../plan/explain/cause-names.ts';
import type { Explanation, Rival } from '../plan/explain/explain.ts';
import type { Judged } from '../plan/explain/judged.ts';
import type { ShapeAdvice } from '../plan/explain/shape-advice.ts';
import type { Answer } from '../plan/explain/what-if.ts';
import { shortLayout } from '../report/short-layout.ts';
import { formatBytes, formatPercent, formatSeconds } from '../units.ts';
import type { Asked } from './asked.ts';
import { showPrediction } from './prediction.ts';
import { paint } from './ui/colour.ts';
import { formatTable } from './ui/table.ts';

interface Style {
  readonly colour: boolean;
  readonly columns: number;
}

export function showExplanation(asked: Asked, explanation: Explanation, style: Style): string {
  const { scenario, prediction, shortage, isBest, rival, alternatives, answers, shapes, rules } = explanation;
  const section = (title: string, content: string) => [paint(title, 'bold', style.colour), content].join('\n');
  return [
    showPrediction(asked, scenario, prediction, style),
    `Bound by ${shortage.bottleneck}: ${shortage.because}.`,
    rival
      ? section(isBest ? 'Why it is the best' : 'What is better', versus(explanation, rival, style))
      : 'No other layout fits.',
    section('Changed in one respect', alternativeTable(alternatives, style)),
    section('If it were otherwise', answerTable(answers, style)),
    shapes.length > 0
      ? section(`Sizes of ${asked.model} that this layout would like better`, shapes.map(adviceText).join('\n'))
      : '',
    rules.length > 0
      ? section(
          'Rules of thumb',
          rules
            .map(({ rule, follows, because }) => `${follows ? 'follows' : 'breaks '}  ${rule}: ${because}`)
            .join('\n'),
        )
      : '',
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

const signed = (share: number): string => `${share < 0 ? '-' : '+'}${formatPercent(Math.abs(share))}`;

const nameOf = ({ scenario }: Judged): string =>
  `${shortLayout({ scenario })} with microbatches of ${scenario.microBatch}`;

/** Term by term. */
function versus({ prediction, isBest }: Explanation, rival: Rival, { colour, columns }: Style): string {
  const { slower, differences } = rival;
  const said =
    slower === 0 ? 'takes as long' : `is ${formatPercent(Math.abs(slower))} ${slower > 0 ? 'slower' : 'faster'}`;
  const first = isBest ? `The runner-up, ${nameOf(rival)}, ${said}.` : `${nameOf(rival)} fits and ${said}.`;
  if (differences.length === 0) return first;
  const rows = differences.map(({ cause, seconds }) => [
    causeNames[cause],
    formatSeconds(prediction.time[cause]),
    formatSeconds(rival.prediction.time[cause]),
    `${seconds < 0 ? '-' : '+'}${formatSeconds(Math.abs(seconds))}`,
  ]);
  const head = ['seconds of', 'this', isBest ? 'runner-up' : 'that', 'more'];
  return `${first}\n${formatTable({ head, rows, align: ['left', 'right', 'right', 'right'], colour, columns })}`;
}

function alternativeTable(alternatives: readonly Alternative[], { colour, columns }: Style): string {
  return formatTable({
    head: ['instead', 'step', 'gains', 'pays'],
    rows: alternatives.map((each) => {
      if ('problem' in each) return [each.changed, '-', '', each.problem];
      const { changed, judged, missingBytes, slower, differences } = each;
      const { total } = judged.prediction.memory;
      const part = (sign: 1 | -1): string => {
        const largest = differences.find(({ seconds }) => sign * seconds > 0);
        return largest ? `${formatSeconds(Math.abs(largest.seconds))} on ${causeNames[largest.cause]}` : '';
      };
      const short = `does not fit: ${formatBytes(total)}, ${formatBytes(missingBytes)} too much`;
      return [changed, signed(slower), part(-1), missingBytes > 0 ? short : part(1)];
    }),
    align: ['left', 'right', 'left', 'left'],
    colour,
    columns,
  });
}

const answerTable = (answers: readonly Answer[], { colour, columns }: Style): string =>
  formatTable({
    head: ['with', 'the best', 'step', 'this layout'],
    rows: answers.map(({ change, best, now, stays }) => {
      if (!best) return [change.name, 'nothing fits', '', ''];
      const taken = now ? formatSeconds(now.prediction.stepSeconds) : 'does not fit or divide';
      if (stays) return [change.name, 'stays', now ? formatSeconds(now.prediction.stepSeconds) : '', ''];
      return [change.name, nameOf(best), formatSeconds(best.prediction.stepSeconds), taken];
    }),
    align: ['left', 'left', 'right', 'left'],
    colour,
    columns,
  });

const adviceText = ({ size, from, to, parameters, time, gained }: ShapeAdvice): string => {
  const work =
    Math.abs(parameters) < 5e-4
      ? 'as many parameters'
      : `${formatPercent(Math.abs(parameters))} ${parameters < 0 ? 'fewer' : 'more'} parameters`;
  return `${size} ${to} instead of ${from}: ${work}, ${formatPercent(Math.abs(time))} ${time < 0 ? 'less' : 'more'} time a token (${formatPercent(gained)} less than goes with the work)`;
};
