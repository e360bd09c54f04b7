// What a rank computes and says of a microbatch at least, known from the model's parameters without tracing any program: every matrix is
// multiplied with the tokens three times, attention sees what its mask leaves, and over tp what rows make is summed up.
import { layerLike, type ModelConfig, mixtureOf } from '../../model/config.ts';
import { type ParamSpec, type Part, paramSpecs, shardShape } from '../../model/params.ts';
import type { KernelShape } from '../../program/kernel-shape.ts';
import { formatBytes, rateOf } from '../hardware/number-format.ts';
import type { CountedKernel, CountedTalk, RunSummary } from '../summary/summary.ts';
import { type CostModel, trainingCosts } from '../training/costs.ts';
import { allSeconds, runSeconds } from '../training/run-seconds.ts';
import { type Kind, kindLayout, type SearchTask } from './task.ts';

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

/** Of what is computed anew in backward passes only what `full` asks for is in it. */
export function leastWork(task: SearchTask, kind: Kind, model: CostModel): LeastWork {
  const { config, software } = task;
  const layout = kindLayout(kind);
  const costs = trainingCosts({ ...task, layout, microBatch: kind.microBatch, microbatches: 1 }, model);
  const secondsOf = (run: RunSummary): number => allSeconds(runSeconds(run, costs, software));
  const attention = attentionSeconds(task, kind);
  const ofLayer = (layer: number): LeastSeconds => {
    const products = productsOf(task, kind, { name: 'block', layer });
    const again = kind.recompute === 'full' ? secondsOf(runOf(products.again, [])) + attention : 0;
    return {
      forward: secondsOf(runOf(products.forward, talkOf(task, kind))) + attention,
      backward: secondsOf(runOf(products.backward, talkOf(task, kind))) + 2.5 * attention + again,
    };
  };
  return {
    layers: alikeLayers(config).map(({ layer, count }) => ({ count, each: ofLayer(layer) })),
    head: headSeconds(task, kind),
  };
}

/** The first of each kind of layer, and how many there are. */
export function alikeLayers(config: ModelConfig): { readonly layer: number; readonly count: number }[] {
  const counts = new Map<number, number>();
  for (let layer = 0; layer < config.layers; layer++) {
    const like = layerLike(config, layer);
    counts.set(like, (counts.get(like) ?? 0) + 1);
  }
  return [...counts].map(([layer, count]) => ({ layer, count }));
}

const runOf = (kernels: readonly KernelShape[], talk: readonly CountedTalk[]): RunSummary => ({
  kernels: kernels.map((kernel): CountedKernel => ({ kernel, count: 1, site: '' })),
  talk,
  flops: 0,
  live: { peak: 0, net: 0 },
});

interface Products {
  readonly forward: readonly KernelShape[];
  readonly backward: readonly KernelShape[];
  readonly again: readonly KernelShape[];
}

/** Tokens of a microbatch on a rank; sp cuts them only between products. */
const tokensOf = ({ seqLen }: SearchTask, { microBatch, cp }: Kind): number => (microBatch * seqLen) / cp;

/** Those of matrices that are cut over tp: of others ranks may have fewer tokens each. */
function productsOf(task: SearchTask, kind: Kind, part: Part): Products {
  const { config } = task;
  const layout = kindLayout(kind);
  const tokens = tokensOf(task, kind);
  const [forward, backward, again]: KernelShape[][] = [[], [], []];
  for (const spec of paramSpecs(config, layout, part)) {
    const shape = shardShape(spec, layout);
    if (spec.key.endsWith('.bias') || shape.length < 2 || !isCut(spec, kind)) continue;
    const { groups, outputs, inputs } = sizesOf(config, shape);
    const rows = groups === 0 ? tokens : tokens * mixtureOf(config, part.layer)!.perToken;
    const product = (n: number, k: number): KernelShape =>
      groups === 0 ? { kind: 'matmul', batch: 1, m: rows, n, k } : { kind: 'grouped', groups, rows, n, k };
    forward!.push(product(outputs, inputs));
    // Nobody reads again what the MLP's last product makes.
    if (!spec.key.endsWith('down.weight')) again!.push(product(outputs, inputs));
    backward!.push(
      product(inputs, outputs),
      groups === 0
        ? { kind: 'matmul', batch: 1, m: outputs, n: inputs, k: rows, accumulates: true }
        : { kind: 'grouped', groups, rows, n: inputs, k: outputs, weights: true },
    );
  }
  return { forward: forward!, backward: backward!, again: again! };
}

const isCut = ({ types }: ParamSpec, { tp }: Kind): boolean => tp === 1 || types.tp?.startsWith('V') === true;

/** `groups`: experts; 0: it is one matrix. */
function sizesOf({ weightOrder }: ModelConfig, shape: readonly number[]) {
  const [groups, first, second] = shape.length === 3 ? (shape as [number, number, number]) : [0, shape[0]!, shape[1]!];
  return groups === 0 && weightOrder === 'in,out'
    ? { groups, outputs: second, inputs: first }
    : { groups, outputs: first, inputs: second };
}

/** Of scores that the mask leaves, at the peak of the products' format: attention's is no faster. */
function attentionSeconds(task: SearchTask, { tp, cp, microBatch }: Kind): number {
  const { config, seqLen } = task;
  const { heads, headDim, window = seqLen } = config;
  const seen = Math.min(window, seqLen);
  const scores = seen * seqLen - (seen * (seen - 1)) / 2;
  return (4 * headDim * (heads / tp) * microBatch * scores) / cp / peakOf(task);
}

const peakOf = ({ cluster, formats }: SearchTask): number =>
  cluster.device.flopsPerSecond[rateOf[formats.products]] ?? Number.POSITIVE_INFINITY;

const headSeconds = (task: SearchTask, kind: Kind): number =>
  (6 * tokensOf(task, kind) * task.config.hiddenSize * task.config.vocabSize) / kind.tp / peakOf(task);

/** What attention's last product and the MLP's make is summed over tp in forward passes, what their first ones read in backward passes. */
function talkOf(task: SearchTask, kind: Kind): CountedTalk[] {
  const { tp, sp } = kind;
  if (tp === 1) return [];
  const bytes = tokensOf(task, kind) * task.config.hiddenSize * formatBytes[task.formats.activations];
  const talk = (call: CountedTalk['call'], of: number): CountedTalk => ({
    axis: 'tp',
    ranks: tp,
    call,
    bytes: of,
    count: 2,
    site: '',
  });
  return sp ? [talk('allGather', bytes / tp), talk('reduceScatter', bytes)] : [talk('allReduce', bytes)];
}
