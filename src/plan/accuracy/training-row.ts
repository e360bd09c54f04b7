// A row of a training table as what is asked of a prediction, and what was measured; or why it cannot be.
import { FivefoldError } from '../../errors.ts';
import type { Layout } from '../../mesh/layout.ts';
import { largestBatch } from '../../model/fit.ts';
import { parseCluster } from '../hardware/cluster-name.ts';
import type { Device } from '../hardware/device.ts';
import type { NumberFormat } from '../hardware/number-format.ts';
import { parseSoftware } from '../software/parse-software.ts';
import { currentSoftware, type Software } from '../software/software.ts';
import type { Offload } from '../training/offload.ts';
import { mixedPrecision, type TrainingFormats, type TrainingScenario } from '../training/scenario.ts';
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
  const config = modelOf(row, facts);
  if (typeof config === 'string') return config;
  const laid = layoutsOf(row, facts, config, cluster.devices);
  if (typeof laid === 'string') return laid;
  const { layouts, assumed } = laid;
  const batch = batchOf(row, facts, layouts[0]!);
  if (typeof batch === 'string') return batch;
  const software = row.software === undefined ? softwareOf(facts) : parseSoftware(row.software, 'column software');
  const formats = formatsOf(row, software, cluster.device);
  if (typeof formats === 'string') return formats;
  const offload = offloadOf(row, facts);
  const scenarios = batch.sizes.flatMap((sizes) =>
    layouts.map((layout) => ({
      config,
      layout,
      seqLen,
      ...sizes,
      cluster,
      formats,
      software,
      routing: facts.routing,
      ...(offload ? { offload } : {}),
    })),
  );
  const measured = measuredBy(row, facts, scenarios[0]!);
  if (measured.stepSeconds === undefined && measured.memory === undefined && !measured.ranOutOfMemory)
    return 'it measures neither time nor memory of a step';
  return { scenarios, measured, assumed: [...assumed, ...batch.assumed] };
}

interface Batch {
  /** Where the row leaves them open several, the first that fits is meant. */
  readonly sizes: readonly Pick<TrainingScenario, 'microBatch' | 'microbatches'>[];
  readonly assumed: readonly string[];
}

/** Of a step: from the sequences of all ranks, of a microbatch, and microbatches, any two of which give the third. */
function batchOf(row: Row, facts: RowFacts, { dp, ep, pp }: Layout): Batch | string {
  const replicas = dp * ep;
  const counts = ['micro_batch', 'grad_accum', 'global_batch'].map((column) => numberIn(row, column) ?? 1);
  if (counts.some((count) => count > largestBatch)) return `it has more than ${largestBatch} sequences a step`;
  const microBatch = numberIn(row, 'micro_batch');
  const accumulated =
    numberIn(row, 'grad_accum') ?? (facts.microbatchesAreStages && microBatch === undefined && pp > 1 ? pp : undefined);
  const local = /\blocal batch (\d+)/.exec(row.extra ?? '')?.[1];
  const global = numberIn(row, 'global_batch') ?? (local === undefined ? undefined : Number(local) * replicas);
  if (global === undefined) {
    if (microBatch === undefined) return 'it does not say how large a batch is';
    const assumed = accumulated === undefined ? ['one microbatch a step'] : [];
    return { sizes: [{ microBatch, microbatches: accumulated ?? 1 }], assumed };
  }
  const share = global / replicas;
  if (microBatch === undefined && accumulated === undefined && Number.isInteger(share))
    return pp > 1
      ? { sizes: [{ microBatch: 1, microbatches: share }], assumed: ['microbatches of one sequence'] }
      : { sizes: halvesOf(share), assumed: ['as large a microbatch as fits'] };
  const size = microBatch ?? share / accumulated!;
  const microbatches = share / size;
  if (!Number.isInteger(microbatches) || !Number.isInteger(size))
    return `${global} sequences do not divide into microbatches of ${size} on ${replicas} replicas`;
  return { sizes: [{ microBatch: size, microbatches }], assumed: [] };
}

/** All sequences at once, or half of them as long as there are two, each time as many microbatches. */
function halvesOf(share: number): Batch['sizes'] {
  const sizes = [{ microBatch: share, microbatches: 1 }];
  for (let size = share / 2; Number.isInteger(size); size /= 2)
    sizes.push({ microBatch: size, microbatches: share / size });
  return sizes;
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

function formatsOf(row: Row, software: Software, device: Device): TrainingFormats | string {
  const said = formats.find(({ says }) => says.test(row.precision ?? ''))?.format;
  if (said === undefined && device.flopsPerSecond.fp8 !== undefined)
    return 'it does not say in which format products are';
  return mixedPrecision(said ?? 'bf16', software);
}

function offloadOf({ extra = '' }: Row, facts: RowFacts): Offload | undefined {
  const share = Number(/activation_offload_alpha=(\d*\.?\d+)/.exec(extra)?.[1] ?? facts.activationsOnHost);
  return facts.optimizerOnHost || share > 0 ? { optimizer: facts.optimizerOnHost, activations: share } : undefined;
}

/** Of all that a row says, what its software does. */
const softwareOf = (facts: RowFacts): Software =>
  Object.fromEntries(
    (Object.keys(currentSoftware) as (keyof Software)[]).map((key) => [key, facts[key]]),
  ) as unknown as Software;
