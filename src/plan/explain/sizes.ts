// Sizes of a model that could be others near them: which ones are tried under a layout, and the model that has them.
import type { ModelConfig } from '../../model/config.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import type { TrainingScenario } from '../training/scenario.ts';

export interface SizeTried {
  readonly size: string;
  readonly from: number;
  readonly to: number;
  readonly config: ModelConfig;
  /** What it has more is of no use by itself: rows of a vocabulary that no token has. */
  readonly isPadding?: true;
}

/** Sizes within so much of what they are. */
const near = 0.075;
/** Numbers whose rows begin where memory's lines do, and which tiles divide. */
const aligned = 128;

/** `kernel`: seconds of one, by which the widths of an MLP are chosen. */
export const sizesTried = (scenario: TrainingScenario, kernel: (shape: KernelShape) => number): SizeTried[] => [
  ...vocabularies(scenario),
  ...hiddenSizes(scenario),
  ...headCounts(scenario),
  ...mlpWidths(scenario, kernel),
  ...expertWidths(scenario, kernel),
  ...layerCounts(scenario),
];

function vocabularies({ config, layout }: TrainingScenario): SizeTried[] {
  const from = config.vocabSize;
  return [64, aligned]
    .map((unit) => Math.ceil(from / (unit * layout.tp)) * unit * layout.tp)
    .filter((to, i, all) => to !== from && all.indexOf(to) === i)
    .map((to) => ({ size: 'vocabulary', from, to, config: { ...config, vocabSize: to }, isPadding: true }));
}

/** With an MLP as much wider, and heads as many as there is room for, of the size they have or of usual ones. */
function hiddenSizes({ config, layout }: TrainingScenario): SizeTried[] {
  const { hiddenSize: from, intermediateSize, heads, kvHeads, headDim } = config;
  if (config.latent || heads * headDim !== from) return [];
  return [...new Set([512, aligned * layout.tp].flatMap((unit) => nearMultiples(from, unit)))].flatMap((to) =>
    headDims(to / heads).flatMap((dim): SizeTried[] => {
      const [all, kv] = [to / dim, kvHeads === heads ? to / dim : kvHeads];
      if (!divides(all, layout.tp) || all % kv !== 0) return [];
      const scaled = (intermediateSize * to) / from;
      const width = Number.isInteger(scaled / layout.tp) ? scaled : intermediateSize;
      const wider = { ...config, hiddenSize: to, intermediateSize: width };
      return [{ size: 'hidden size', from, to, config: withHeads(wider, all, kv, dim) }];
    }),
  );
}

/** As many features of all heads together. */
function headCounts({ config, layout }: TrainingScenario): SizeTried[] {
  const { heads: from, kvHeads, headDim } = config;
  if (config.latent) return [];
  return headDims(headDim).flatMap((dim): SizeTried[] => {
    const [to, kv] = [(from * headDim) / dim, (kvHeads * headDim) / dim];
    if (to === from || !divides(to, layout.tp) || !Number.isInteger(kv) || (kv % layout.tp && layout.tp % kv))
      return [];
    return [{ size: 'heads', from, to, config: withHeads(config, to, kv, dim) }];
  });
}

/** Rotations take features in pairs. */
const headDims = (own: number): number[] => [...new Set([own, 128, 64])].filter((dim) => dim % 2 === 0);

function withHeads(config: ModelConfig, heads: number, kvHeads: number, headDim: number): ModelConfig {
  const { positions, headDim: before } = config;
  const resized = (frequencies: readonly number[]): number[] =>
    Array.from({ length: (frequencies.length * headDim) / before }, (_, i) => frequencies[i % frequencies.length]!);
  return {
    ...config,
    heads,
    kvHeads,
    headDim,
    positions:
      positions.kind === 'rotary'
        ? {
            ...positions,
            frequencies: resized(positions.frequencies),
            ...(positions.windowFrequencies ? { windowFrequencies: resized(positions.windowFrequencies) } : {}),
          }
        : positions,
  };
}

function mlpWidths({ config, ...scenario }: TrainingScenario, kernel: (shape: KernelShape) => number): SizeTried[] {
  const { mixture, intermediateSize: from, layers } = config;
  if (mixture && mixture.denseLayers.length === 0) return [];
  if (mixture && mixture.denseLayers.length < layers / 2) return [];
  const rows = (scenario.microBatch * scenario.seqLen) / scenario.layout.cp;
  return bestWidths(config.hiddenSize, from, rows, scenario.layout.tp, kernel).map((to) => ({
    size: 'MLP width',
    from,
    to,
    config: { ...config, intermediateSize: to },
  }));
}

function expertWidths({ config, ...scenario }: TrainingScenario, kernel: (shape: KernelShape) => number): SizeTried[] {
  const { mixture, hiddenSize } = config;
  if (!mixture) return [];
  const { intermediateSize: from, experts, perToken } = mixture;
  const rows = (scenario.microBatch * scenario.seqLen * perToken) / scenario.layout.cp / experts;
  return bestWidths(hiddenSize, from, Math.max(1, Math.round(rows)), scenario.layout.tp, kernel).map((to) => ({
    size: "experts' width",
    from,
    to,
    config: { ...config, mixture: { ...mixture, intermediateSize: to } },
  }));
}

/** Of widths near it, those whose products take least for what they are. */
function bestWidths(
  hidden: number,
  from: number,
  rows: number,
  tp: number,
  kernel: (shape: KernelShape) => number,
): number[] {
  const product = (m: number, n: number, k: number) => kernel({ kind: 'matmul', batch: 1, m, n, k });
  const perColumn = (width: number): number => {
    const own = width / tp;
    return (product(rows, own, hidden) + product(rows, hidden, own) + product(hidden, own, rows)) / width;
  };
  const tried = allMultiples(from, 64 * tp).map((width) => ({ width, seconds: perColumn(width) }));
  return tried
    .sort((a, b) => a.seconds - b.seconds)
    .slice(0, 2)
    .map(({ width }) => width)
    .filter((width) => width !== from);
}

/** As many on every chunk of every stage. */
function layerCounts({ config, layout }: TrainingScenario): SizeTried[] {
  const { layers: from, mixture } = config;
  if (layout.pp === 1 || layout.stages || mixture || config.wholeLayers) return [];
  return nearMultiples(from, layout.pp * layout.virtual).map((to) => ({
    size: 'layers',
    from,
    to,
    config: { ...config, layers: to },
  }));
}

const divides = (size: number, parts: number): boolean => Number.isInteger(size) && size % parts === 0;

/** The multiples on both sides, where the size is none. */
function nearMultiples(size: number, unit: number): number[] {
  const below = Math.floor(size / unit) * unit;
  return [below, below + unit].filter((to) => to !== size && Math.abs(to / size - 1) <= near);
}

function allMultiples(size: number, unit: number): number[] {
  const first = Math.ceil(((1 - near) * size) / unit);
  const last = Math.floor(((1 + near) * size) / unit);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * unit);
}
