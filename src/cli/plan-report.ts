// What a search found, for people: a table of layouts, what the best spends its time on, and why it is the best.
import { printLayout } from '../mesh/layout.ts';
import { tokenCosts } from '../plan/search/objective.ts';
import type { Found, SearchResult } from '../plan/search/search.ts';
import type { SearchTask } from '../plan/search/task.ts';
import { formatBytes, formatCount, formatPercent, formatSeconds } from '../units.ts';
import { showPrediction } from './prediction.ts';
import { paint } from './ui/colour.ts';
import { formatTable } from './ui/table.ts';

export interface PlanStyle {
  readonly seconds: number;
  readonly colour: boolean;
  readonly columns: number;
}

/** `stages` of a layout are long: so many layers that follow one another are told once. */
export const shortLayout = (found: Pick<Found, 'scenario'>): string =>
  printLayout(found.scenario.layout).replace(
    /stages=([\d+]+)/,
    (_, sizes: string) => `stages=${runsOf(sizes.split('+'))}`,
  );

function runsOf(sizes: readonly string[]): string {
  const runs: { size: string; count: number }[] = [];
  for (const size of sizes) {
    const last = runs.at(-1);
    if (last?.size === size) last.count += 1;
    else runs.push({ size, count: 1 });
  }
  return runs.map(({ size, count }) => (count === 1 ? size : `${size}*${count}`)).join('+');
}

export function showPlan(task: SearchTask, result: SearchResult, because: string, style: PlanStyle): string {
  const { found, judged, pruned } = result;
  const { colour, columns, seconds } = style;
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
        joulesPerToken.toFixed(2),
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
      `${task.config.family} on ${task.cluster.name}, ${task.globalBatch} sequences of ${task.seqLen} a step`,
      'bold',
      colour,
    ),
    '',
    table,
    '',
    showPrediction(best.scenario, best.prediction, { colour, columns }),
    '',
    because,
    `${formatCount(judged)} layouts judged in ${formatSeconds(seconds)} (${formatCount(rate)} a second); ${judged - pruned} of them predicted in full, the others bounded.`,
  ].join('\n');
}
