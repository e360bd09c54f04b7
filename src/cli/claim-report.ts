// What a judged claim comes to, in words.
import {
  mostParameters,
  type Obstacle,
  obstacleOf,
  type Speed,
  type Utilisation,
  type Verdict,
} from '../plan/claim/judge-claim.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import type { Found } from '../plan/search/search.ts';
import { shortLayout } from '../report/short-layout.ts';
import { formatCount, formatFlopsPerSecond, formatPercent } from '../units.ts';
import type { Shown } from './serving-prediction.ts';
import { formatTable } from './ui/table.ts';

/** A claim with products in one format. */
export interface JudgedFormat {
  readonly utilisation: Utilisation;
  readonly verdict: Verdict;
  /** The fastest first; none where none fits, or where none was looked for. */
  readonly found: readonly Found[];
  readonly obstacle?: Obstacle;
}

export const speedText = ({ tokensPerSecondPerDevice, flopsPerSecondPerDevice }: Speed): string =>
  [
    ...(tokensPerSecondPerDevice === undefined ? [] : [`${rounded(tokensPerSecondPerDevice)} tokens/s a device`]),
    ...(flopsPerSecondPerDevice === undefined
      ? []
      : [`${formatFlopsPerSecond(flopsPerSecondPerDevice)} of the model a device`]),
  ].join(', ');

const rounded = (rate: number): string => (rate < 100 ? rate.toPrecision(3) : `${Math.round(rate)}`);

export function formatsTable(judged: readonly JudgedFormat[], { colour, columns }: Shown): string {
  return formatTable({
    head: ['products', 'of peak', 'most measured', 'verdict', 'predicted tokens/s/GPU', 'layout', 'microbatch'],
    rows: judged.map(({ utilisation: { format, mfu, most }, verdict, found: [best] }) => [
      format,
      formatPercent(mfu),
      formatPercent(most.share),
      verdict,
      best ? rounded(best.prediction.tokensPerSecondPerDevice) : '-',
      best ? shortLayout(best) : '-',
      best ? best.scenario.microBatch : '-',
    ]),
    align: ['left', 'right', 'right', 'left', 'right', 'left', 'right'],
    keys: 1,
    colour,
    columns,
  });
}

/** Why a claim has its verdict in one format. */
export function formatBecause({ utilisation, verdict, found, obstacle }: JudgedFormat, claimed: number): string {
  const { format, mfu, most } = utilisation;
  const [best] = found;
  const share = `${formatPercent(mfu)} of the peak of products in ${format}`;
  if (verdict === 'impossible') return `It would take ${share}, and nothing does more than its peak.`;
  const reached = best
    ? `the best layout, ${shortLayout(best)} with microbatches of ${best.scenario.microBatch}, comes to ${rounded(best.prediction.tokensPerSecondPerDevice)} tokens/s a device`
    : 'no layout fits';
  if (verdict === 'beyond measured')
    return `It would take ${share}; the most that anybody has published is ${formatPercent(most.share)}, of ${most.what}; ${reached}.`;
  const compared = best ? best.prediction.tokensPerSecondPerDevice / claimed - 1 : 0;
  switch (verdict) {
    case 'out of reach':
      return `It would take ${share}; ${reached}${best ? `, ${formatPercent(-compared)} less` : ''}${obstacle ? `: ${obstacleText(obstacle)}` : ''}.`;
    case 'borderline':
      return `It takes ${share}; ${reached}, ${formatPercent(-compared)} less, which is within the error of predictions.`;
    case 'reachable':
    case 'easy':
      return `It takes ${share}; ${reached}, ${formatPercent(compared)} more.`;
  }
}

function obstacleText({ kind, ofComputeAlone, share }: Obstacle): string {
  const alone = ofComputeAlone === undefined ? '' : `${rounded(ofComputeAlone)} tokens/s`;
  switch (kind) {
    case 'memory':
      return 'the memory of these devices stands in the way';
    case 'compute':
      return `compute stands in the way, its kernels alone would come to ${alone}`;
    case 'links':
      return `links stand in the way, they take ${formatPercent(share!)} of a step (kernels alone would come to ${alone})`;
    case 'waiting':
      return `waiting for other stages, the host and the optimizer stands in the way, it takes ${formatPercent(share!)} of a step (kernels alone would come to ${alone})`;
  }
}

export const obstacleFor = (verdict: Verdict, claimed: number, best: Found | undefined): Obstacle | undefined =>
  verdict === 'out of reach' ? obstacleOf(claimed, best) : undefined;

export interface PossibleSizes {
  readonly format: string;
  readonly atPeak: number;
  readonly atMostMeasured: number;
  readonly most: Utilisation['most'];
}

/** Parameters of models that a claim of tokens could be true of. */
export const possibleSizes = (
  tokens: number,
  { device }: Cluster,
  { format, rate, most }: Pick<Utilisation, 'format' | 'rate' | 'most'>,
): PossibleSizes => {
  const atPeak = mostParameters(tokens, device.flopsPerSecond[rate]!);
  return { format, atPeak, atMostMeasured: most.share * atPeak, most };
};

export const sizesText = (sizes: readonly PossibleSizes[]): string[] =>
  sizes.map(
    ({ format, atPeak, atMostMeasured, most }) =>
      `with products in ${format} it can be true of models of up to ${formatCount(atMostMeasured)} parameters that a token uses (at ${formatPercent(most.share)} of peak, the most measured: ${most.what}), and of none above ${formatCount(atPeak)}`,
  );
