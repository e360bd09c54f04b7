// How sure a prediction of training is: the measured runs that it is nearest to, and where its parts come from.
import { replicasOf } from '../mesh/mesh.ts';
import { nearestAnchors } from '../plan/anchors/nearest.ts';
import type { CostModel } from '../plan/training/costs.ts';
import { type Provenance, provenanceOf } from '../plan/training/provenance.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import { formatPercent, formatSeconds } from '../units.ts';
import { formatTable } from './ui/table.ts';

export interface NearRun {
  /** As its source calls it. */
  readonly model: string;
  readonly cluster: string;
  readonly layout: string;
  readonly seqLen: number;
  readonly globalBatch: number;
  readonly products: string;
  readonly measuredStepSeconds: number;
  readonly predictedStepSeconds: number;
  readonly source: string;
}

/** Fields of the JSON contract. */
export interface HowSure {
  readonly anchors: readonly NearRun[];
  readonly provenance: readonly Provenance[];
}

export const howSure = (scenario: TrainingScenario, model: CostModel): HowSure => ({
  anchors: nearestAnchors(scenario, model).map(({ anchor, scenario: { layout }, predictedSeconds }) => ({
    model: anchor.model,
    cluster: anchor.cluster,
    layout: anchor.layout,
    seqLen: anchor.seqLen,
    globalBatch: replicasOf(layout) * anchor.microBatch * anchor.microbatches,
    products: anchor.products,
    measuredStepSeconds: anchor.stepSeconds,
    predictedStepSeconds: predictedSeconds,
    source: anchor.source,
  })),
  provenance: provenanceOf(scenario),
});

export function showHowSure(
  { anchors, provenance }: HowSure,
  { colour, columns }: { readonly colour: boolean; readonly columns: number },
): string {
  const table = formatTable({
    head: ['run', 'layout', 'measured', 'predicted', 'error', 'source'],
    rows: anchors.map((run) => [
      `${run.model}, ${run.cluster}, ${run.products}, ${run.globalBatch} × ${run.seqLen}`,
      run.layout,
      formatSeconds(run.measuredStepSeconds),
      formatSeconds(run.predictedStepSeconds),
      signed(run.predictedStepSeconds / run.measuredStepSeconds - 1),
      run.source,
    ]),
    align: ['left', 'left', 'right', 'right', 'right', 'left'],
    colour,
    columns,
  });
  const parts = provenance.map(({ part, from, on }) => `${part}: ${words[from]}, ${on}`);
  return ['nearest runs that were measured', table, '', 'where the figures come from', ...parts].join('\n');
}

const words: Readonly<Record<Provenance['from'], string>> = {
  program: 'exact',
  measured: 'measured',
  fitted: 'fitted',
  assumed: 'assumed',
  datasheet: 'given',
};

const signed = (share: number): string => `${share < 0 ? '−' : '+'}${formatPercent(Math.abs(share))}`;
