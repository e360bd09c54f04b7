// A row of a training table as what is asked of a prediction, and what was measured; or why it cannot be.
import { FivefoldError } from '../../errors.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import type { NumberFormat } from '../hardware/number-format.ts';
import { mixedPrecision, type Software, type TrainingFormats, type TrainingScenario } from '../training/scenario.ts';
import { measuredBy, type TrainingMeasured } from './measured.ts';
import { clusterNameOf } from './row-cluster.ts';
import { factsOf, type RowFacts } from './row-facts.ts';
import { layoutsOf } from './row-layout.ts';
import { modelOf } from './row-model.ts';
import { numberIn, type Row } from './table.ts';

export interface TrainingCase {
  /** One, or several that compute more and more anew where the row does not say how much: the first that fits is meant. */
  readonly scenarios: readonly TrainingScenario[];
  readonly measured: TrainingMeasured;
  /** What the row leaves open and was assumed. */
  readonly assumed: readonly string[];
}

/** @returns the case, or why there is none, in words that follow `row:` */
export function trainingCase(row: Row): TrainingCase | string {
  try {
    return caseOf(row);
  } catch (error) {
    // What no layout or model can be is said by those who check it.
    if (error instanceof FivefoldError) return error.message;
    throw error;
  }
}

function caseOf(row: Row): TrainingCase | string {
  const facts = factsOf(row);
  if (facts.unfit !== undefined) return facts.unfit;
  const named = clusterNameOf(row);
  if ('problem' in named) return named.problem;
  const cluster = parseCluster(named.name);
  const seqLen = numberIn(row, 'seq_len');
  if (seqLen === undefined) return 'it does not say how long sequences are';
  const config = modelOf(row);
  if (typeof config === 'string') return config;
  const laid = layoutsOf(row, facts, config, cluster.devices);
  if (typeof laid === 'string') return laid;
  const { layouts, assumed } = laid;
  const { dp, ep } = layouts[0]!;
  const batch = batchOf(row, dp * ep);
  if (typeof batch === 'string') return batch;
  const formats = formatsOf(row, facts);
  const software = softwareOf(facts);
  const scenarios = layouts.map((layout) => ({ config, layout, seqLen, ...batch.sizes, cluster, formats, software }));
  const measured = measuredBy(row, facts, scenarios[0]!);
  if (measured.stepSeconds === undefined && measured.memory === undefined && !measured.ranOutOfMemory)
    return 'it measures neither time nor memory of a step';
  return { scenarios, measured, assumed: [...assumed, ...batch.assumed] };
}

interface Batch {
  readonly sizes: Pick<TrainingScenario, 'microBatch' | 'microbatches'>;
  readonly assumed: readonly string[];
}

/** Of a step: from the sequences of all ranks, of a microbatch, and microbatches, any two of which give the third. */
function batchOf(row: Row, replicas: number): Batch | string {
  const microBatch = numberIn(row, 'micro_batch');
  const accumulated = numberIn(row, 'grad_accum');
  const local = /\blocal batch (\d+)/.exec(row.extra ?? '')?.[1];
  const global = numberIn(row, 'global_batch') ?? (local === undefined ? undefined : Number(local) * replicas);
  if (global === undefined) {
    if (microBatch === undefined) return 'it does not say how large a batch is';
    const microbatches = accumulated ?? 1;
    const assumed = accumulated === undefined ? ['one microbatch a step'] : [];
    return { sizes: { microBatch, microbatches }, assumed };
  }
  const share = global / replicas;
  const size = microBatch ?? (accumulated === undefined ? 1 : share / accumulated);
  const microbatches = share / size;
  if (!Number.isInteger(microbatches) || !Number.isInteger(size))
    return `${global} sequences do not divide into microbatches of ${size} on ${replicas} replicas`;
  const assumed = microBatch === undefined && accumulated === undefined ? ['microbatches of one sequence'] : [];
  return { sizes: { microBatch: size, microbatches }, assumed };
}

/** Formats as tables write them; the first that matches. */
const formats: readonly { readonly says: RegExp; readonly format: NumberFormat }[] = [
  { says: /nvfp4|\bfp4/i, format: 'nvfp4' },
  { says: /mxfp8|fp8-mx/i, format: 'mxfp8' },
  { says: /fp8|float8/i, format: 'fp8' },
  { says: /bf16|bfloat16/i, format: 'bf16' },
  { says: /fp16|float16|half/i, format: 'fp16' },
  { says: /tf32/i, format: 'tf32' },
  { says: /fp32|float32/i, format: 'fp32' },
];

function formatsOf(row: Row, { narrowGradients, zero }: RowFacts): TrainingFormats {
  const products = formats.find(({ says }) => says.test(row.precision ?? ''))?.format ?? 'bf16';
  const mixed = mixedPrecision(products);
  return narrowGradients && zero < 3 ? { ...mixed, gradients: mixed.parameters } : mixed;
}

const softwareOf = (facts: RowFacts): Software => ({
  overlapsGradients: facts.overlapsGradients,
  overlapsParameters: facts.overlapsParameters,
  overlapsTensor: facts.overlapsTensor,
  overlapsPipeline: facts.overlapsPipeline,
  overlapsExperts: facts.overlapsExperts,
  attention: facts.attention,
  fuses: facts.fuses,
  lossInBlocks: facts.lossInBlocks,
  dropout: facts.dropout,
});
