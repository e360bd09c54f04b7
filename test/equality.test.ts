// The central claim: whatever the layout, losses, every gradient and every weight equal those of one rank.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FivefoldError } from '../src/errors.ts';
import { parseLayout } from '../src/mesh/layout.ts';
import { expectEqual, type Harder } from './compare-with-one-rank.ts';
import { anyCase, type Case } from './random-cases.ts';
import { sharedPool } from './shared-pool.ts';
import type { SmallMixture, SmallModel } from './small-models.ts';

const pool = sharedPool();

const plain: SmallModel = {
  family: 'llama',
  heads: 4,
  kvHeads: 2,
  headDim: 4,
  hidden: 12,
  mlp: 16,
  vocab: 21,
  layers: 4,
  tied: false,
  biases: true,
  window: 3,
};
const few: SmallMixture = { experts: 32, perToken: 2, width: 8, sharedWidth: 4, normalised: true, dense: [] };
/** Of two groups of four experts a token chooses one; the first layer has an MLP. */
const grouped: SmallMixture = { ...few, experts: 8, perToken: 3, dense: [0] };
/** Backward in another order than forward, its halves together and apart. */
const ownSchedule = `schedule own stages=2 chunks=2 microbatches=3
stage 0: F0.0 F1.0 F0.1 F2.0 F1.1 F2.1 B0.1 BW1.1 B2.1 W2.1 BW2.0 W0.1 B0.0 B1.0 W1.0 W0.0
stage 1: F0.0 F1.0 F2.0 F0.1 F1.1 F2.1 B0.1 BW1.1 B2.1 W2.1 BW2.0 W0.1 B0.0 B1.0 W1.0 W0.0`;
const nasty = (layout: string, model: Partial<SmallModel> = {}, shape: Partial<Case> = {}): Case => ({
  model: { ...plain, ...model },
  layout: parseLayout(layout, () => ownSchedule),
  seqLen: 8,
  microBatch: 1,
  microbatches: 2,
  ...shape,
});

const nastyCases: readonly (readonly [string, Case])[] = [
  ['tp=4 with 2 key-value heads', nasty('tp=4')],
  ['tp=8 with 1 key-value head', nasty('tp=8', { heads: 8, kvHeads: 1 })],
  ['tp=8,sp with 2 key-value heads and key norms', nasty('tp=8,sp', { family: 'qwen3', heads: 8 })],
  ['tp=4,sp with 1 key-value head and biases', nasty('tp=4,sp', { family: 'qwen2', kvHeads: 1 })],
  ['tied head on the same stage', nasty('tp=2,dp=2,sp', { tied: true })],
  ['tied head over two stages', nasty('tp=2,pp=2', { tied: true })],
  ['tied head over four stages, the middle ones without', nasty('pp=4,dp=2', { family: 'gpt2', tied: true })],
  ['sp, pp and dp', nasty('tp=2,pp=2,dp=2,sp', { family: 'gpt2', tied: true, vocab: 23 })],
  ['a vocabulary smaller than tp', nasty('tp=8', { heads: 8, vocab: 3 })],
  ['a tied vocabulary smaller than tp, over stages', nasty('tp=4,pp=2', { vocab: 2, tied: true })],
  ['tp=5 pads a vocabulary of 7', nasty('tp=5', { heads: 5, kvHeads: 1, mlp: 10, vocab: 7 })],
  ['uneven stages under gpipe', nasty('pp=3,schedule=gpipe,stages=1+2+1', {}, { microbatches: 5 })],
  ['fewer microbatches than stages', nasty('pp=4,stages=1+1+1+1', {}, { microbatches: 1 })],
  ['a window shorter than a shard of the sequence', nasty('tp=2,sp', { family: 'mistral', window: 2 })],
  [
    'a schedule of its own over two chunks, gradients in parts',
    nasty('pp=2,virtual=2,dp=2,zero=2,recompute=selective:1-2,schedule=file:own', { tied: true }, { microbatches: 3 }),
  ],
  ['a microbatch that counts no token', nasty('pp=2,dp=2', {}, { documents: 4, uncounted: 'microbatch' })],
  ['a replica that counts no token', nasty('tp=2,dp=2,sp,zero=3', {}, { documents: 4, uncounted: 'replica' })],
  ['a step that counts no token', nasty('pp=2,dp=2,zero=1', { tied: true }, { documents: 4, uncounted: 'step' })],
  ['a ring of four, one head', nasty('cp=4', { heads: 1, kvHeads: 1 })],
  ['a ring of three, documents over ranks, the last ones padding', nasty('cp=3', {}, { seqLen: 18, documents: 7 })],
  ['a ring with tp=4 and 2 key-value heads', nasty('tp=4,cp=2,sp')],
  ['a ring with a window shorter than a piece', nasty('cp=2', { family: 'mistral', window: 2 }, { seqLen: 16 })],
  [
    'a ring in stages, gradients in halves, all computed anew',
    nasty('cp=2,pp=2,schedule=zb-h1,recompute=full', { tied: true }),
  ],
  ['a ring of tensor-parallel replicas that share all out', nasty('tp=2,cp=2,dp=2,sp,zero=3', { tied: true })],
  ['gathered keys with learned positions', nasty('cp=4,cpMode=gather,dp=2,zero=3', { family: 'gpt2' })],
  ['ulysses with more ranks than key-value heads', nasty('cp=4,cpMode=ulysses', {}, { documents: 5 })],
  ['ulysses of what tp leaves of the heads', nasty('tp=2,cp=2,cpMode=ulysses,sp', { family: 'qwen3' })],
  ['ulysses of heads that tp shares', nasty('tp=4,cp=2,cpMode=ulysses', { heads: 8, kvHeads: 2 })],
  [
    'pairs of completions over all axes',
    nasty(
      'tp=2,pp=2,dp=2,sp,zero=3,recompute=full',
      { tied: true },
      { seqLen: 12, preference: { beta: 0.5, pairs: 2 } },
    ),
  ],
  ['pairs of completions in a ring', nasty('cp=2', {}, { seqLen: 24, preference: { beta: 0.5, pairs: 2 } })],
  [
    'pairs of completions that are cut over a ring, with a replica without any',
    nasty(
      'tp=2,cp=2,dp=2,sp,zero=3,recompute=full',
      { tied: true },
      { seqLen: 24, preference: { beta: 0.5, pairs: 1 }, uncounted: 'replica', lossBlock: 5 },
    ),
  ],
  [
    'pairs of completions of gathered keys in stages, gradients in halves',
    nasty(
      'cp=2,cpMode=gather,pp=2,schedule=zb-h1',
      { family: 'gpt2' },
      { seqLen: 24, preference: { beta: 2, pairs: 3 } },
    ),
  ],
  [
    'pairs of completions under ulysses, dealt out by cost',
    nasty('cp=2,cpMode=ulysses,dp=2', {}, { seqLen: 24, preference: { beta: 0.1, pairs: 2 }, balanced: true }),
  ],
  [
    'pairs of completions that are dealt out by cost over a ring of four',
    nasty('cp=4', {}, { seqLen: 48, preference: { beta: 0.1, pairs: 2 }, balanced: true, uncounted: 'step' }),
  ],
  [
    'pairs of completions, gradients in parts, and a replica without any',
    nasty(
      'pp=2,dp=2,schedule=zb-h1,zero=2',
      {},
      { seqLen: 12, preference: { beta: 0.1, pairs: 2 }, uncounted: 'replica' },
    ),
  ],
  [
    'pairs of completions in a schedule of its own, and a step without any',
    nasty(
      'pp=2,virtual=2,tp=2,schedule=file:own',
      { family: 'gpt2', tied: true },
      { seqLen: 12, microbatches: 3, preference: { beta: 2, pairs: 1 }, uncounted: 'step', lossBlock: 5 },
    ),
  ],
  ['experts in tp=4, of which most have no token', nasty('tp=4,sp', { family: 'mixtral', mixture: few })],
  [
    'experts and MLPs in stages, gradients in halves, all computed anew',
    nasty('pp=2,dp=2,schedule=zb-h1,recompute=full', { family: 'qwen3_moe', mixture: { ...few, dense: [1, 2] } }),
  ],
  [
    'experts and a shared one, gathered for each block, in chunks',
    nasty('pp=2,virtual=2,tp=2,dp=2,zero=3', { family: 'qwen2_moe', mixture: { ...few, perToken: 4 } }),
  ],
  ['one expert a rank', nasty('ep=8', { family: 'mixtral', mixture: { ...few, experts: 8 } })],
  [
    'experts over ranks, shared out and replicated, all computed anew',
    nasty('tp=2,ep=2,dp=2,sp,zero=3,recompute=full', { family: 'qwen2_moe', mixture: few, tied: true }),
  ],
  [
    'experts over ranks of rings and replicas, moments shared out over both',
    nasty('cp=2,ep=2,dp=2,zero=1', { family: 'qwen2_moe', mixture: few, tied: true }, { documents: 4 }),
  ],
  [
    'experts over ranks of a ring in stages, gradients in halves',
    nasty(
      'cp=2,ep=2,pp=2,schedule=zb-h1,zero=2',
      { family: 'qwen3_moe', mixture: { ...few, dense: [2] } },
      { documents: 5, uncounted: 'replica' },
    ),
  ],
  [
    'experts over ranks, of pairs of completions',
    nasty(
      'ep=4,pp=2,recompute=selective',
      { family: 'mixtral', mixture: few },
      { seqLen: 12, preference: { beta: 0.5, pairs: 2 }, balanced: true },
    ),
  ],
  [
    'all experts of a token on one rank',
    nasty('ep=2,cp=2,cpMode=ulysses', { family: 'mixtral', mixture: { ...few, experts: 8, perToken: 4 } }),
  ],
  ['experts of the tokens of a ring', nasty('cp=2,dp=2,zero=2', { family: 'mixtral', mixture: few }, { documents: 5 })],
  [
    'losses of routers over all axes, computed anew',
    nasty(
      'tp=2,cp=2,dp=2,sp,zero=3,recompute=full',
      { family: 'qwen2_moe', mixture: few },
      { router: { auxLoss: 0.5, zLoss: 0.1, biasRate: 0 } },
    ),
  ],
  [
    'losses of routers in stages, gradients in halves, of some layers',
    nasty(
      'cp=2,pp=2,dp=2,schedule=zb-h1',
      { family: 'qwen3_moe', mixture: { ...few, dense: [1] } },
      { documents: 5, router: { auxLoss: 0.5, zLoss: 0, biasRate: 0 } },
    ),
  ],
  [
    'biases of routers in stages and replicas that share all out',
    nasty(
      'tp=2,pp=2,dp=2,zero=3,recompute=full',
      { family: 'mixtral', mixture: { ...few, experts: 6, bias: true } },
      { router: { auxLoss: 0, zLoss: 0, biasRate: 0.05 } },
    ),
  ],
  [
    'biases of routers of a ring, of one layer only',
    nasty(
      'cp=2,dp=2,zero=1',
      { family: 'qwen3_moe', mixture: { ...few, dense: [0, 1, 3], bias: true } },
      { router: { auxLoss: 0.1, zLoss: 0, biasRate: 0.05 } },
    ),
  ],
  [
    'latent attention over all axes, experts by groups, gathered for each block',
    nasty('tp=2,pp=2,ep=2,sp,zero=3,recompute=full', { family: 'deepseek_v3', kvHeads: 4, mixture: grouped }),
  ],
  [
    'latent attention without sp, biases of experts that move',
    nasty(
      'tp=4,dp=2,zero=1',
      { family: 'deepseek_v3', kvHeads: 4, mixture: { ...grouped, bias: true } },
      { router: { auxLoss: 0.1, zLoss: 0, biasRate: 0.05 } },
    ),
  ],
  [
    'latent attention of a ring in stages, queries made of the input, gradients in halves',
    nasty(
      'cp=2,pp=2,ep=2,schedule=zb-h1',
      { family: 'deepseek_v2', kvHeads: 4, biases: false, mixture: grouped },
      { documents: 5 },
    ),
  ],
  [
    'latent attention of gathered keys',
    nasty('cp=4,cpMode=gather,tp=2,sp', { family: 'deepseek_v2', kvHeads: 4, mixture: grouped }),
  ],
  [
    'latent attention under ulysses of what tp leaves of the heads',
    nasty(
      'tp=2,cp=2,cpMode=ulysses,dp=2,zero=2,recompute=selective',
      { family: 'deepseek_v3', kvHeads: 4, mixture: grouped },
      { documents: 5 },
    ),
  ],
  [
    'layers with a window and without in chunks, documents dealt out by cost over a ring',
    nasty(
      'cp=2,pp=2,virtual=2,dp=2',
      { family: 'gemma3_text', window: 5 },
      { seqLen: 24, documents: 7, balanced: true },
    ),
  ],
  ['norms after parts, under sp', nasty('tp=4,sp,dp=2,zero=3', { family: 'gemma3_text' })],
  ['half of the features turned, norms with gains from 1', nasty('tp=2,cp=2,sp,pp=2', { family: 'nemotron' })],
  ['replicas with other numbers of microbatches', nasty('dp=3', {}, { microbatches: 3, shares: [1, 3, 2] })],
  [
    'replicas with other numbers of microbatches in stages, a tied head, moments shared out',
    nasty('pp=2,dp=2,zero=1,stages=3+1', { tied: true }, { microbatches: 5, shares: [1, 5] }),
  ],
  [
    'replicas with other numbers of microbatches in chunks, whose first counts no token',
    nasty('pp=2,virtual=2,dp=2,tp=2,sp', {}, { microbatches: 4, shares: [3, 4], documents: 4, uncounted: 'replica' }),
  ],
  [
    'documents dealt out by cost and speed over replicas of rings, gradients in halves',
    nasty(
      'cp=2,pp=2,dp=2,schedule=zb-h1',
      {},
      {
        ...{ seqLen: 24, microbatches: 3, shares: [3, 1], documents: 7, balanced: true },
        speeds: [1, 0.5, 0.25, 1, 1, 1, 0.5, 0.125],
      },
    ),
  ],
  [
    'pairs of completions on replicas with other numbers of microbatches',
    nasty('dp=2,tp=2', {}, { seqLen: 12, microbatches: 3, shares: [3, 1], preference: { beta: 0.5, pairs: 2 } }),
  ],
  [
    'capacity of experts over a ring of three, documents in the order that they stand in',
    nasty(
      'cp=3,dp=2,recompute=full',
      { family: 'qwen2_moe', mixture: { ...few, experts: 4 } },
      { seqLen: 18, documents: 7, router: { auxLoss: 0.1, zLoss: 0, biasRate: 0, capacity: 0.7 } },
    ),
  ],
  [
    'capacity of experts, sequences dealt out by cost over a ring',
    nasty(
      'tp=2,cp=2,dp=2,sp,zero=3',
      { family: 'mixtral', mixture: { ...few, experts: 4 } },
      { seqLen: 16, documents: 5, balanced: true, router: { auxLoss: 0, zLoss: 0, biasRate: 0, capacity: 0.6 } },
    ),
  ],
  [
    'capacity of experts under ulysses in stages, gradients in halves',
    nasty(
      'cp=2,cpMode=ulysses,pp=2,schedule=zb-h1,recompute=selective',
      { family: 'mixtral', mixture: { ...few, experts: 4 } },
      { router: { auxLoss: 0, zLoss: 0.1, biasRate: 0, capacity: 1 } },
    ),
  ],
  [
    'experts that choose their tokens over a ring, sequences dealt out by cost',
    nasty(
      'tp=2,cp=2,dp=2,sp,zero=2,recompute=full',
      { family: 'qwen2_moe', mixture: { ...few, experts: 5 } },
      { seqLen: 16, documents: 5, balanced: true, router: { auxLoss: 0, zLoss: 0.1, biasRate: 0, routing: 'experts' } },
    ),
  ],
  [
    'experts that choose few tokens in stages, gradients in halves',
    nasty(
      'cp=2,cpMode=gather,pp=2,schedule=zb-h1,recompute=selective',
      { family: 'mixtral', mixture: { ...few, experts: 5 } },
      { router: { auxLoss: 0, zLoss: 0, biasRate: 0, capacity: 0.4, routing: 'experts' } },
    ),
  ],
  [
    'experts that choose few tokens on ranks of their own, over a ring and replicas',
    nasty(
      'cp=2,ep=2,dp=2,zero=3,recompute=full',
      { family: 'mixtral', mixture: { ...few, experts: 4 } },
      { seqLen: 16, router: { auxLoss: 0, zLoss: 0.1, biasRate: 0, capacity: 0.75, routing: 'experts' } },
    ),
  ],
  [
    'capacity of experts on ranks of their own in stages, gradients in halves',
    nasty(
      'tp=2,sp,ep=2,pp=2,schedule=zb-h1',
      { family: 'qwen2_moe', mixture: { ...few, experts: 4 } },
      { seqLen: 16, documents: 5, router: { auxLoss: 0.1, zLoss: 0.1, biasRate: 0, capacity: 0.6 } },
    ),
  ],
  ['one layer on eight ranks of data', nasty('dp=8', { layers: 1 }, { microbatches: 1 })],
];

test.each(nastyCases)('%s', (_, each) => expectEqual(each, 'f64', pool));

test.each([
  ['f64', 60],
  // It is f64 that proves; f32 runs other kernels.
  ['f32', 15],
] as const)('random models and layouts in %s', async (precision, numRuns) => {
  await fc.assert(
    fc.asyncProperty(anyCase, (each) => expectEqual(each, precision, pool)),
    { numRuns, endOnFailure: true, timeout: 60_000 },
  );
});

/** Limits with which collectives on vectors of so many bytes take them where they lie. */
const inPlaceFrom = (bytes: number) => ({ inPlaceBytes: bytes, inPlaceReduceBytes: bytes });

// Small models then take the paths of large ones, and every order of the ranks comes about.
const harder = fc.record({
  limits: fc.constantFrom(
    { smallReduceBytes: 64, chunkBytes: 512, pieceBytes: 64, loopElements: 4, ...inPlaceFrom(16) },
    { smallReduceBytes: 0, chunkBytes: 1024, pieceBytes: 8, loopElements: 0 },
    { smallReduceBytes: 256, chunkBytes: 4096, pieceBytes: 128, loopElements: 32, ...inPlaceFrom(16) },
  ),
  attentionBlock: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat(1e6),
  every: fc.constant(200),
});

test.each([
  ['f64', 10],
  ['f32', 4],
] as const)(
  'random models with small thresholds and ranks held up at random points, in %s',
  async (precision, numRuns) => {
    await fc.assert(
      fc.asyncProperty(anyCase, harder, (each, how) => expectEqual(each, precision, pool, how)),
      { numRuns, endOnFailure: true, timeout: 60_000 },
    );
  },
);

test.each([
  ['tp=2', 'a sum in place returns before all have written their slices of its vector', 16],
  ['tp=2,sp', 'a gather in place returns before all have copied its shard', 16],
  ['tp=2,sp', 'slots are kept once, not by parity', 2 ** 30],
] as const)('in %s it is seen when ranks are held up that %s', async (layout, fault, inPlaceBytes) => {
  const each = nasty(layout, { layers: 2, biases: false }, { microBatch: 4, microbatches: 4 });
  const limits = { smallReduceBytes: 64, chunkBytes: 4096, ...inPlaceFrom(inPlaceBytes) };
  const how = { limits, attentionBlock: 3, every: 12 };
  await expectEqual(each, 'f64', pool, { ...how, seed: 1 });
  let seen = false;
  for (let seed = 1; seed <= 8 && !seen; seed++) seen = await differs(each, { ...how, seed, fault });
  expect(seen).toBe(true);
});

/** By its numbers: ranks that fail are another fault. */
const differs = (each: Case, how: Harder): Promise<boolean> =>
  expectEqual(each, 'f64', pool, how).then(
    () => false,
    (error: unknown) => {
      if (error instanceof FivefoldError) throw error;
      return true;
    },
  );
