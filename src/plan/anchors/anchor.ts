// A run that somebody measured and published, in full: what it is asked of a prediction, and what it took.
import { parseLayout } from '../../mesh/layout.ts';
import { parseModelConfig } from '../../model/families.ts';
import { findPreset } from '../../model/presets.ts';
import { once } from '../../step/once.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import type { NumberFormat } from '../hardware/number-format.ts';
import { currentSoftware, mixedPrecision, type Software, type TrainingScenario } from '../training/scenario.ts';

export interface Anchor {
  /** As its source calls it. */
  readonly model: string;
  /** Its config.json; what is not there is as in the model of that name. */
  readonly config: Readonly<Record<string, unknown>> & { readonly like?: string };
  readonly cluster: string;
  readonly layout: string;
  readonly seqLen: number;
  readonly microBatch: number;
  readonly microbatches: number;
  readonly products: NumberFormat;
  /** As wide as parameters where they are summed up. */
  readonly narrowGradients?: true;
  /** Where it differs from what is customary today. */
  readonly software: Partial<Software>;
  /** Measured. */
  readonly stepSeconds: number;
  readonly source: string;
}

export const anchorScenario = once((anchor: Anchor): TrainingScenario => {
  const { like, ...own } = anchor.config;
  const json = like === undefined ? own : { ...findPreset(like), ...own };
  const mixed = mixedPrecision(anchor.products);
  return {
    config: parseModelConfig(json, anchor.model),
    layout: parseLayout(anchor.layout),
    seqLen: anchor.seqLen,
    microBatch: anchor.microBatch,
    microbatches: anchor.microbatches,
    cluster: parseCluster(anchor.cluster),
    formats: anchor.narrowGradients ? { ...mixed, gradients: mixed.parameters } : mixed,
    software: { ...currentSoftware, ...anchor.software },
  };
});
