// What a rank computes and says of a microbatch at least, in seconds, without tracing any program: products, attention, and talk that they do not hide.
import { valueDimOf, windowOf } from '../../model/config.ts';
import { rateOf } from '../hardware/number-format.ts';
import type { CountedTalk, RunSummary } from '../summary/summary.ts';
import { type CostModel, type TrainingCosts, trainingCosts } from '../training/costs.ts';
import { allSeconds, runSeconds } from '../training/run-seconds.ts';
import type { PartElements } from './least-memory.ts';
import { alikeLayers, leastProducts, type ProductSeconds, tokensOf } from './least-products.ts';
import { type LeastTalk, layerTalk, sharedTalk } from './least-talk.ts';
import { type Kind, type SearchTask, type SharedGrid, sharedLayout } from './task.ts';

/** Seconds of one microbatch. */
export interface LeastSeconds {
  readonly forward: number;
  readonly backward: number;
}

export interface LeastWork {
  /** Layers that are built alike, and one of them. */
  readonly layers: readonly { readonly count: number; readonly each: LeastSeconds }[];
  /** Of the head, both ways. */
  readonly head: number;
}

export interface LeastWorks {
  /** Whatever is shared out. */
  readonly ofKind: (grid: SharedGrid) => LeastWork;
  /** With the talk of what is; `parameters`: of each of the kinds of layers. */
  readonly ofShared: (grid: SharedGrid, parameters: readonly PartElements[]) => LeastWork;
}

/** Of what is computed anew in backward passes only what full recomputation asks for is in it. */
export function leastWorks(task: SearchTask, model: CostModel): LeastWorks {
  const layers = alikeLayers(task.config);
  const products = new Map<string, readonly ProductSeconds[]>();
  const kinds = new Map<string, LeastWork>();
  const productsOf = (kind: Kind): readonly ProductSeconds[] => {
    const key = `${kind.tp} ${kind.ep} ${tokensOf(task, kind)}`;
    const found = products.get(key) ?? layers.map(({ layer }) => leastProducts(task, kind, layer, model));
    products.set(key, found);
    return found;
  };
  const workOf = (grid: SharedGrid, more: readonly LeastTalk[]): LeastWork => {
    const { kind } = grid;
    const scenario = { ...task, layout: sharedLayout(grid), microBatch: kind.microBatch, microbatches: 1 };
    const costs = trainingCosts(scenario, model);
    const said = layerTalk(task, kind);
    const isFull = kind.recompute === 'full';
    return {
      head: headSeconds(task, kind, costs),
      layers: productsOf(kind).map(({ forward, backward, again }, i) => {
        const attention = attentionSeconds(task, kind, layers[i]!.layer, costs);
        const shared = more[i] ?? { forward: [], backward: [] };
        const seconds = (products: number, attention: number, talk: readonly CountedTalk[]): number =>
          runOf({ products, attention }, talk, costs, task);
        return {
          count: layers[i]!.count,
          each: {
            forward: seconds(forward, attention.forward, [...said.forward, ...shared.forward]),
            backward: seconds(backward + (isFull ? again : 0), attention.backward + (isFull ? attention.forward : 0), [
              ...said.backward,
              ...shared.backward,
            ]),
          },
        };
      }),
    };
  };
  return {
    ofKind(grid) {
      const { tp, sp, cp, cpMode, ep, microBatch, recompute } = grid.kind;
      const key = `${tp} ${sp} ${cp} ${cpMode} ${ep} ${microBatch} ${recompute === 'full'}`;
      const found = kinds.get(key) ?? workOf(grid, []);
      kinds.set(key, found);
      return found;
    },
    ofShared: (grid, parameters) =>
      workOf(
        grid,
        parameters.map((each) => sharedTalk(task, grid, each)),
      ),
  };
}

/** Priced as a prediction prices a run, with all products as one kernel. */
function runOf(
  { products, attention }: { readonly products: number; readonly attention: number },
  talk: readonly CountedTalk[],
  costs: TrainingCosts,
  { software }: SearchTask,
): number {
  const run: RunSummary = {
    kernels: [
      { kernel: { kind: 'memory', floats: 0, bytes: 0 }, count: 1, site: '' },
      { kernel: oneAttention, count: 1, site: '' },
    ],
    talk,
    flops: 0,
    live: { peak: 0, net: 0 },
  };
  const kernel: TrainingCosts['kernel'] = ({ kind }) => (kind === 'attention' ? attention : products);
  return allSeconds(runSeconds(run, { ...costs, kernel }, software));
}

const oneAttention = {
  kind: 'attention',
  pass: 'forward',
  batch: 1,
  heads: 1,
  kvHeads: 1,
  headDim: 1,
  valueDim: 1,
  queries: 1,
  keys: 1,
  scores: 1,
} as const;

/** Of scores that the mask leaves: on all tokens of a sequence as the kernel that it is, on parts of them at the peak of the products' format. */
function attentionSeconds(
  task: SearchTask,
  { tp, cp, cpMode, microBatch }: Kind,
  layer: number,
  costs: TrainingCosts,
): LeastSeconds {
  const { config, seqLen } = task;
  const seen = Math.min(windowOf(config, layer) ?? seqLen, seqLen);
  const scores = seen * seqLen - (seen * (seen - 1)) / 2;
  if (config.latent || (cp > 1 && cpMode !== 'ulysses')) {
    const perScore = (2 * (config.headDim + valueDimOf(config)) * config.heads) / tp;
    const forward = (perScore * microBatch * scores) / cp / peakOf(task);
    return { forward, backward: 2.5 * forward };
  }
  const kernel = (pass: 'forward' | 'backward') =>
    costs.kernel({
      kind: 'attention',
      pass,
      batch: microBatch,
      heads: config.heads / tp / cp,
      kvHeads: Math.max(1, config.kvHeads / tp / cp),
      headDim: config.headDim,
      valueDim: valueDimOf(config),
      queries: seqLen,
      keys: seqLen,
      scores,
    });
  return { forward: kernel('forward'), backward: kernel('backward') };
}

const peakOf = ({ cluster, formats }: SearchTask): number =>
  cluster.device.flopsPerSecond[rateOf[formats.products]] ?? Number.POSITIVE_INFINITY;

/** Logits, and the gradients of what they are made of; in blocks of tokens at the peak of the products' format. */
function headSeconds(task: SearchTask, kind: Kind, { kernel }: TrainingCosts): number {
  const { hiddenSize: hidden, vocabSize } = task.config;
  const [rows, columns] = [tokensOf(task, kind), vocabSize / kind.tp];
  if (task.software.loss === 'blocks' || !Number.isInteger(columns))
    return (6 * rows * hidden * columns) / peakOf(task);
  const product = { kind: 'matmul', batch: 1 } as const;
  return (
    kernel({ ...product, m: rows, n: columns, k: hidden }) +
    kernel({ ...product, m: rows, n: hidden, k: columns }) +
    kernel({ ...product, m: columns, n: hidden, k: rows, accumulates: true })
  );
}
