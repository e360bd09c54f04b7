// What a search found, for people: a table of layouts, what the best spends its time on, and why it is the best.
import { tokenCosts } from '../plan/search/objective.ts';
import type { Found, SearchResult } from '../plan/search/search.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { shortLayout } from '../report/short-layout.ts';
import { formatBytes, formatCount, formatPercent, formatSeconds } from '../units.ts';
import type { Asked } from './asked.ts';
import { showPrediction } from './prediction.ts';
import { paint } from './ui/colour.ts';
import { formatTable } from './ui/table.ts';

export interface PlanStyle {
  readonly asked: Asked;
  readonly seconds: number;
  readonly colour: boolean;
  readonly columns: number;
}

const withoutGiving =
  'Those that do not fit were not looked at with fewer layers computed anew, or activations or the optimizer on the hosts.';

export function showPlan(task: SearchTask, result: SearchResult, because: string, style: PlanStyle): string {
  const { found, judged, predicted, mayGive } = result;
  const { asked, colour, columns, seconds } = style;
  const [best] = found as [Found];
  const table = formatTable({
    head: ['', 'layout', 'microbatch', 'step', 'tokens/s/GPU', 'MFU', 'memory', '$/M tokens', 'J/token'],
    rows: found.map((each, at) => {
      const { prediction, scenario } = each;
      const { dollarsPerMillionTokens: dollars, joulesPerToken } = tokenCosts(scenario, prediction);
      return [
        at + 1,
        shortLayout(each),
        scenario.microBatch,
        formatSeconds(prediction.stepSeconds),
        Math.round(prediction.tokensPerSecondPerDevice),
        formatPercent(prediction.mfu),
        formatBytes(prediction.memory.total),
        dollars === undefined ? '-' : dollars.toFixed(2),
        joulesPerToken === undefined ? '-' : joulesPerToken.toFixed(2),
      ];
    }),
    align: ['right', 'left'],
    keys: 2,
    colour,
    columns,
  });
  const rate = judged / seconds;
  return [
    paint(
      `${asked.model} on ${task.cluster.name}, ${task.globalBatch} sequences of ${task.seqLen} a step`,
      'bold',
      colour,
    ),
    '',
    table,
    '',
    showPrediction(asked, best.scenario, best.prediction, { colour, columns }),
    '',
    because,
    `${formatCount(judged)} layouts judged in ${formatSeconds(seconds)} (${formatCount(rate)} a second); ${predicted} predicted in full, the others bounded.${mayGive ? '' : ` ${withoutGiving}`}`,
  ].join('\n');
}
