// A run that somebody measured and published, in full: what it is asked of a prediction, and what it took.
import { parseLayout } from '../../mesh/layout.ts';
import { parseModelConfig } from '../../model/families.ts';
import { findPreset } from '../../model/presets.ts';
import { once } from '../../step/once.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import type { NumberFormat } from '../hardware/number-format.ts';
import { currentSoftware, type Software } from '../software/software.ts';
import { mixedPrecision, type TrainingScenario } from '../training/scenario.ts';

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
  /** Where it differs from what is customary today. */
  readonly software: Partial<Software>;
  /** Measured. */
  readonly stepSeconds: number;
  readonly source: string;
}

export const anchorScenario = once((anchor: Anchor): TrainingScenario => {
  const { like, ...own } = anchor.config;
  const json = like === undefined ? own : { ...findPreset(like), ...own };
  const software = { ...currentSoftware, ...anchor.software };
  return {
    config: parseModelConfig(json, anchor.model),
    layout: parseLayout(anchor.layout),
    seqLen: anchor.seqLen,
    microBatch: anchor.microBatch,
    microbatches: anchor.microbatches,
    cluster: parseCluster(anchor.cluster),
    formats: mixedPrecision(anchor.products, software),
    software,
  };
});
