// The loss of pairs on simulated ranks: sequences cut over cp and dealt out over dp, the same on tp.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { share, simulate } from '../../test/simulate.ts';
import { configJson } from '../../test/small-models.ts';
import { oneRank } from '../mesh/layout.ts';
import { coordsOf, worldSize } from '../mesh/mesh.ts';
import { preferenceFigures } from '../ops/preference.ts';
import type { NdArray } from '../program/program.ts';
import { parseModelConfig } from './families.ts';
import { traceCompletions, tracePreference } from './preference.ts';

const model = { heads: 4, kvHeads: 2, headDim: 2, hidden: 8, mlp: 8, vocab: 7, layers: 1 };
const config = parseModelConfig(
  configJson({ family: 'llama', ...model, tied: false, biases: false, window: 2 }),
  'llama',
);

const array = (shape: readonly number[], data: readonly number[]): NdArray => ({
  shape,
  data: Float64Array.from(data),
});

/** Of all replicas: 4 sequences of 8 tokens with room for 2 pairs. */
const [batch, seqLen, pairs] = [4, 8, 2];
const number = fc.double({ min: -8, max: 0, noNaN: true });
const many = (length: number, each: fc.Arbitrary<number>) => fc.array(each, { minLength: length, maxLength: length });
const drawn = fc.record({
  logProbs: many(batch * seqLen, number),
  documents: many(batch * seqLen, fc.nat(2 * pairs)),
  weights: many(batch * seqLen, fc.constantFrom(0, 1, 1)),
  reference: many(batch * pairs * 2, number),
  pairWeights: many(batch * pairs, fc.constantFrom(0, 1, 1)),
  beta: fc.constantFrom(0.1, 1),
});
type Drawn = typeof drawn extends fc.Arbitrary<infer T> ? T : never;

/** As the paper has it, in plain loops: the log-probability of completion c of a row, the pair's loss, its gradient. */
function expected({ logProbs, documents, weights, reference, pairWeights, beta }: Drawn, scale: number) {
  const sums = Array.from({ length: batch * pairs * 2 }, (_, at) =>
    logProbs.reduce((sum, logProb, token) => {
      const place = Math.floor(token / seqLen) * 2 * pairs + documents[token]!;
      return documents[token]! < 2 * pairs && place === at ? sum + weights[token]! * logProb : sum;
    }, 0),
  );
  const margin = (pair: number) =>
    beta * (sums[2 * pair]! - reference[2 * pair]! - (sums[2 * pair + 1]! - reference[2 * pair + 1]!));
  const loss = pairWeights.reduce(
    (sum, weight, pair) => sum + weight * scale * Math.log(1 + Math.exp(-margin(pair))),
    0,
  );
  const margins = pairWeights.reduce((sum, weight, pair) => sum + weight * scale * margin(pair), 0);
  const dLogProbs = logProbs.map((_, token) => {
    const [row, document] = [Math.floor(token / seqLen), documents[token]!];
    if (document >= 2 * pairs) return 0;
    const pair = row * pairs + Math.floor(document / 2);
    const slope = (-beta * pairWeights[pair]! * scale) / (1 + Math.exp(margin(pair)));
    return weights[token]! * (document % 2 === 0 ? slope : -slope);
  });
  return { sums, loss, margins, dLogProbs };
}

test.each([{}, { dp: 2 }, { tp: 2 }, { cp: 2 }, { cp: 4, tp: 2 }, { tp: 2, cp: 2, dp: 2 }])(
  'on %o it is that of plain loops',
  (axes) => {
    const layout = { ...oneRank, ...axes };
    const ranks = Array.from({ length: worldSize(layout) }, (_, rank) => coordsOf(layout, rank));
    fc.assert(
      fc.property(drawn, (given) => {
        const scale = 0.25;
        const want = expected(given, scale);
        const settings = { config, layout, batch: batch / layout.dp, seqLen: seqLen / layout.cp };
        const programs = ranks.map((coords) =>
          tracePreference({ ...settings, coords }, { pairs, beta: given.beta }, true),
        );
        const inputs = ranks.map(({ dp, cp }) => {
          const ofPairs = (x: NdArray) => share(x, 0, dp, layout.dp);
          const ofTokens = (numbers: readonly number[]) =>
            share(ofPairs(array([batch, seqLen], numbers)), 1, cp, layout.cp);
          return {
            logProbs: ofTokens(given.logProbs),
            documents: ofTokens(given.documents),
            weights: ofTokens(given.weights),
            reference: ofPairs(array([batch, pairs, 2], given.reference)),
            pairWeights: ofPairs(array([batch, pairs], given.pairWeights)),
            scale: array([1], [scale]),
            one: array([1], [1]),
            lossSum: array([1], [0]),
            figures: array(
              [preferenceFigures.length],
              preferenceFigures.map(() => 0),
            ),
          };
        });
        const outputs = simulate(layout, programs, inputs);
        // Ranks of tp do the same; what the others have adds up.
        const total = (name: string, index: number) =>
          outputs.reduce((sum, each, rank) => sum + (ranks[rank]!.tp === 0 ? each[name]!.data[index]! : 0), 0);
        expect(total('lossSum', 0)).toBeCloseTo(want.loss, 10);
        expect(total('figures', preferenceFigures.indexOf('rewards/margins'))).toBeCloseTo(want.margins, 10);
        for (const [rank, { dp, cp }] of ranks.entries()) {
          const mine = share(share(array([batch, seqLen], want.dLogProbs), 0, dp, layout.dp), 1, cp, layout.cp);
          for (const [i, value] of outputs[rank]!.dLogProbs!.data.entries())
            expect(value).toBeCloseTo(mine.data[i]!, 10);
        }
        const completions = simulate(
          layout,
          ranks.map((coords) => traceCompletions({ ...settings, coords }, { pairs, beta: given.beta })),
          inputs,
        );
        for (const [rank, { dp }] of ranks.entries()) {
          const mine = share(array([batch, pairs, 2], want.sums), 0, dp, layout.dp);
          for (const [i, value] of completions[rank]!.sums!.data.entries())
            expect(value).toBeCloseTo(mine.data[i]!, 10);
        }
      }),
      { numRuns: 20 },
    );
  },
);
