// Time against memory on the terminal: the layouts that no other beats in both, and what their tokens cost.
import { tokenCosts } from '../plan/search/objective.ts';
import type { Found } from '../plan/search/search.ts';
import { shortLayout } from '../report/short-layout.ts';
import { formatBytes, formatSeconds } from '../units.ts';
import { plot } from './ui/plot.ts';
import { formatTable } from './ui/table.ts';

/** `front`: the fastest first. Undefined where there is no curve to see. */
export function showTrainingFront(
  front: readonly Found[],
  { colour, columns }: { readonly colour: boolean; readonly columns: number },
): string | undefined {
  if (front.length < 3) return undefined;
  const table = formatTable({
    head: ['layout', 'microbatch', 'step', 'memory', '$/M tokens', 'J/token'],
    rows: front.map((each) => {
      const { scenario, prediction } = each;
      const { dollarsPerMillionTokens: dollars, joulesPerToken } = tokenCosts(scenario, prediction);
      return [
        shortLayout(each),
        scenario.microBatch,
        formatSeconds(prediction.stepSeconds),
        formatBytes(prediction.memory.total),
        dollars === undefined ? '-' : dollars.toFixed(2),
        joulesPerToken === undefined ? '-' : joulesPerToken.toFixed(2),
      ];
    }),
    align: ['left', ...Array.from({ length: 5 }, () => 'right' as const)],
    colour,
    columns,
  });
  const picture = plot({
    x: front.map(({ prediction }) => prediction.stepSeconds),
    series: [{ name: 'memory of a rank', values: front.map(({ prediction }) => prediction.memory.total) }],
    xLabel: 'time of a step',
    yLabel: '',
    formatX: formatSeconds,
    formatY: formatBytes,
    height: 8,
    width: Math.max(20, Math.min(60, columns - 26)),
    colour,
  });
  return ['time against memory: layouts that no other beats in both', table, '', picture].join('\n');
}
