// Tensor-parallel programs that are right: parts of models and a whole small one, by their whole inputs and what a rank does.
import { gelu, swiglu } from '../src/ops/activation.ts';
import { attention } from '../src/ops/attention.ts';
import { allGather, allReduce, allReduceMax, enter, ownSlice, reduceScatter } from '../src/ops/collectives.ts';
import { add } from '../src/ops/elementwise.ts';
import { embedding } from '../src/ops/embedding.ts';
import { mergeHeads, splitHeads } from '../src/ops/heads.ts';
import { linear } from '../src/ops/linear.ts';
import { tokenLoss, vocabMax, vocabStats } from '../src/ops/loss.ts';
import { layerNorm, rmsNorm } from '../src/ops/norm.ts';
import { rope } from '../src/ops/rope.ts';
import type { Trace, Value } from '../src/program/program.ts';
import { at } from '../src/program/trace.ts';
import type { Types } from '../src/program/types.ts';
import type { Check, Given } from './check-gradients.ts';

/** Inputs with their whole shapes, and the program of one rank on its parts of them. */
export interface TypedProgram {
  readonly whole: Readonly<Record<string, Given>>;
  readonly write: Check['write'];
}

const replicated: Types = { tp: 'R', dp: 'R' };
const residual = (sp: boolean): Types => ({ tp: sp ? 'V1' : 'I', dp: 'V0' });
const gainOf = (sp: boolean): Types => ({ tp: sp ? 'R' : 'I', dp: 'R' });
const cut = (dim: number): Types => ({ tp: `V${dim}`, dp: 'R' });

const into = (x: Value, sp: boolean) => (sp ? allGather(x, 'tp', 1) : enter(x, 'tp'));
const outOf = (x: Value, sp: boolean) => (sp ? reduceScatter(x, 'tp', 1) : allReduce(x, 'tp', 'I'));

export const mlp = (sp: boolean): TypedProgram => ({
  whole: {
    x: { shape: [2, 6, 4], types: residual(sp) },
    gain: { shape: [4], types: gainOf(sp) },
    gate: { shape: [6, 4], types: cut(0) },
    up: { shape: [6, 4], types: cut(0) },
    down: { shape: [4, 6], types: cut(1) },
  },
  write: ({ x, gain, gate, up, down }, trace) =>
    at(trace, 'mlp', () => {
      const h = into(rmsNorm(x!, gain!, 1e-6), sp);
      return [add(x!, outOf(linear(swiglu(linear(h, gate!), linear(h, up!)), down!), sp))];
    }),
});

/** GPT-2's: LayerNorm, biases, weights stored in,out, learned positions; the loss of a whole small model. */
export const gpt = (sp: boolean): TypedProgram => {
  const bias = (size: number): Given => ({ shape: [size], types: gainOf(sp) });
  return {
    whole: {
      ids: { shape: [2, 6], types: { dp: 'V0' }, below: 12 },
      targets: { shape: [2, 6], types: { dp: 'V0' }, below: 10 },
      places: { shape: [2, 6], types: { dp: 'V0' }, below: 8 },
      documents: { shape: [2, 6], types: { dp: 'V0' }, below: 2 },
      weights: { shape: [2, 6], types: { tp: 'I', dp: 'V0' }, constant: true },
      scale: { shape: [1], types: { tp: 'I', dp: 'R' }, constant: true },
      table: { shape: [12, 4], types: cut(0) },
      positions: { shape: [8, 4], types: gainOf(sp) },
      gain1: bias(4),
      bias1: bias(4),
      qkv: { shape: [4, 12], types: cut(1) },
      qkvBias: { shape: [12], types: cut(0) },
      out: { shape: [12, 4], types: cut(0) },
      outBias: bias(4),
      gain2: bias(4),
      bias2: bias(4),
      up: { shape: [4, 6], types: cut(1) },
      upBias: { shape: [6], types: cut(0) },
      down: { shape: [6, 4], types: cut(0) },
    },
    write: (p, trace) => {
      const { tp } = trace.coords;
      const rows = p.table!.shape[0]!;
      const learned = embedding(p.places!, p.positions!);
      const tokens = at(trace, 'embedding', () => outOf(embedding(p.ids!, p.table!, tp * rows), sp));
      const x = add(tokens, sp ? ownSlice(learned, 'tp', 1) : learned);
      const attended = at(trace, 'attention', () => {
        const h = into(layerNorm(x, p.gain1!, p.bias1!, 1e-5), sp);
        const q = splitHeads(add(linear(h, p.qkv!, 'in,out'), p.qkvBias!), 2);
        const turned = (frequency: number) => rope(q, p.places!, { frequencies: [frequency], maxPositions: 8 });
        const places = { positions: p.places!, documents: p.documents! };
        const attrs = { scale: 0.7, window: 4 };
        const heads = attention(turned(1), turned(0.5), q, { queries: places, keys: places }, attrs);
        return add(x, add(outOf(linear(mergeHeads(heads), p.out!, 'in,out'), sp), p.outBias!));
      });
      const y = at(trace, 'mlp', () => {
        const h = into(layerNorm(attended, p.gain2!, p.bias2!, 1e-5), sp);
        return add(attended, outOf(linear(gelu(add(linear(h, p.up!, 'in,out'), p.upBias!)), p.down!, 'in,out'), sp));
      });
      return [at(trace, 'head', () => lossOf(into(y, sp), p, trace))];
    },
  };
};

/** Vocabulary-parallel cross-entropy of 10 tokens in 12 rows; tied table. */
function lossOf(h: Value, { targets, weights, scale, table }: Record<string, Value>, trace: Trace): Value {
  const logits = linear(h, table!);
  const offset = trace.coords.tp * logits.shape[2]!;
  const valid = Math.max(0, Math.min(logits.shape[2]!, 10 - offset));
  const most = allReduceMax(vocabMax(logits, { valid }), 'tp');
  const stats = allReduce(vocabStats(logits, targets!, most, { offset, valid }), 'tp', 'I');
  return allReduce(tokenLoss(stats, weights!, scale!), 'dp', 'R');
}

/** KV heads fewer than tp ranks: all hold the one there is, and its weight's gradient is summed by type. */
export const sharedKeys: TypedProgram = {
  whole: {
    x: { shape: [1, 3, 4], types: { tp: 'I', dp: 'R' } },
    q: { shape: [8, 4], types: cut(0) },
    kv: { shape: [2, 4], types: replicated },
    bias: { shape: [2], types: replicated },
    norm: { shape: [2], types: replicated },
    out: { shape: [4, 8], types: cut(1) },
    positions: { shape: [1, 3], types: replicated, below: 5 },
    documents: { shape: [1, 3], types: replicated, below: 1 },
  },
  write: ({ x, q, kv, bias, norm, out, positions, documents }) => {
    const h = enter(x!, 'tp');
    const part = { start: 0, size: 2 };
    const places = { positions: positions!, documents: documents! };
    const v = splitHeads(add(linear(h, ownSlice(kv!, 'tp', 0, part)), ownSlice(bias!, 'tp', 0, part)), 2);
    const k = rope(rmsNorm(v, norm!, 1e-6), positions!, { frequencies: [0.5], maxPositions: 5 });
    const normed = rmsNorm(splitHeads(linear(h, q!), 2), norm!, 1e-6);
    const heads = attention(normed, k, v, { queries: places, keys: places }, { scale: 0.7 });
    return [allReduce(linear(mergeHeads(heads), out!), 'tp', 'I')];
  },
};
