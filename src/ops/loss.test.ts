// Vocabulary-parallel cross-entropy, against the textbook formula: values and gradients, whole, padded and sharded.
import { expect, test } from 'vitest';
import { randomNumbers } from '../../test/random-numbers.ts';
import { simulate } from '../../test/simulate.ts';
import { coordsOf, type Mesh } from '../mesh/mesh.ts';
import { finish, input, startTrace } from '../program/trace.ts';
import { allReduce, allReduceMax } from './collectives.ts';
import { grad } from './grad.ts';
import { tokenLoss, vocabMax, vocabStats } from './loss.ts';

const tokens = 6;
const vocabulary = 10;
const random = randomNumbers(17);
const logits = Array.from({ length: tokens }, () => Array.from({ length: vocabulary }, () => 8 * random() - 4));
const targets = [0, 9, 4, 5, 5, 3];
/** What each token counts: one not at all, one twice. */
const counts = [1, 0, 1, 0.5, 2, 1];
const scaledBy = 1 / counts.reduce((sum, count) => sum + count, 0);

/** Σ -count · log softmax(logits)[target] over all counts, and its gradient count · (softmax - one-hot) over them. */
function textbook(): { loss: number; gradient: number[][] } {
  const softmax = logits.map((row) => {
    const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
    return row.map((logit) => Math.exp(logit) / total);
  });
  return {
    loss: scaledBy * softmax.reduce((sum, row, token) => sum - counts[token]! * Math.log(row[targets[token]!]!), 0),
    gradient: softmax.map((row, token) =>
      row.map((p, id) => scaledBy * counts[token]! * (p - (id === targets[token] ? 1 : 0))),
    ),
  };
}

test.each([
  { tp: 1, share: 10 },
  { tp: 1, share: 13 },
  { tp: 2, share: 5 },
  { tp: 3, share: 4 },
  { tp: 4, share: 4 },
])('tp=$tp with $share rows a rank', ({ tp, share }) => {
  const mesh: Mesh = { tp, cp: 1, ep: 1, dp: 1, pp: 1 };
  const ranks = Array.from({ length: tp }, (_, rank) => {
    const trace = startTrace(mesh, coordsOf(mesh, rank));
    const z = input(trace, [2, 3, share], { tp: 'V2' });
    const t = input(trace, [2, 3], {}, 'int');
    const weights = input(trace, [2, 3], { tp: 'I' });
    const scale = input(trace, [1], { tp: 'I' });
    const offset = rank * share;
    const valid = Math.max(0, Math.min(share, vocabulary - offset));
    const most = allReduceMax(vocabMax(z, { valid }), 'tp');
    const loss = tokenLoss(allReduce(vocabStats(z, t, most, { offset, valid }), 'tp', 'I'), weights, scale);
    const one = input(trace, [1], { tp: 'I' });
    const [dz] = grad(trace, [{ value: loss, gradient: one }], [z]);
    const program = finish(trace, { z, t, weights, scale, one }, { loss, dz: dz! });
    // Rows that pad the vocabulary hold what must not count.
    const row = (values: readonly number[]) =>
      Array.from({ length: share }, (_, i) => (i < valid ? values[offset + i]! : 50 + i));
    const inputs = {
      z: { shape: [2, 3, share], data: Float64Array.from(logits.flatMap(row)) },
      t: { shape: [2, 3], data: Float64Array.from(targets) },
      weights: { shape: [2, 3], data: Float64Array.from(counts) },
      scale: { shape: [1], data: Float64Array.of(scaledBy) },
      one: { shape: [1], data: Float64Array.of(1) },
    };
    return { program, inputs, offset, valid };
  });
  const outputs = simulate(
    mesh,
    ranks.map(({ program }) => program),
    ranks.map(({ inputs }) => inputs),
  );
  const expected = textbook();
  for (const [rank, { offset, valid }] of ranks.entries()) {
    expect(outputs[rank]!.loss!.data[0]).toBeCloseTo(expected.loss, 12);
    const gradient = expected.gradient.flatMap((row) =>
      Array.from({ length: share }, (_, i) => (i < valid ? row[offset + i]! : 0)),
    );
    for (const [index, value] of gradient.entries()) expect(outputs[rank]!.dz!.data[index]).toBeCloseTo(value, 12);
  }
});
