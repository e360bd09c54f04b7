// Experts that choose their tokens: each those of a sequence that score it highest (Zhou et al., "Mixture-of-experts with expert choice
// routing", 2022). What they choose is stated by slots, as many a token as there are experts: slot e is expert e's, or -1.
import { expectShape, type Op, type Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { eachToken, type Scores } from './router-scores.ts';
import { ndarray } from './shapes.ts';
import { inOrder } from './token-order.ts';

interface Choosing {
  readonly scores: Scores;
  /** Tokens of a sequence that an expert takes. */
  readonly most: number;
}

/**
 * A score as it is compared: to one part in 4096. Tokens that are alike, such as the first of two documents, have scores that differ by
 * rounding, on every layout another way: so they are equal, and the earlier one is taken.
 */
const comparable = (score: number): number => Math.round(Math.log(Math.max(score, 1e-300)) * 4096);

/** Operands: logits [b, s, experts], and of their tokens positions and documents [b, s]: of whole sequences. */
const chooseTokensOp: Op<Choosing> = {
  name: 'chooseTokens',
  shape: ([logits, ...places], { most }) => {
    const [batch, length] = logits!.shape as [number, number];
    expectShape(
      logits!.shape.length === 3 &&
        places.every(({ shape, dtype }) => dtype === 'int' && shape.join() === `${[batch, length]}`),
      `needs logits [b, s, experts], positions and documents [b, s] of type int, got [${logits!.shape}] and ${places.map(({ shape }) => `[${shape}]`).join(', ')}`,
    );
    expectShape(most >= 1 && most <= length, `${most} tokens of ${length} cannot be chosen; use 1 to ${length}`);
    return [{ shape: logits!.shape, dtype: 'int' }];
  },
  typing: { dims: 'b s! e!, b s!, b s! -> b s k' },
  execution: {
    by: 'host',
    run: ([logits, positions, documents], [chosen], { scores: kind, most }, { inputs }) => {
      const [batch, length, experts] = inputs[0]!.shape as [number, number, number];
      const rounded = new Float64Array(logits!.length);
      eachToken(logits!, experts, kind, (token, scores) => {
        for (let i = 0; i < experts; i++) rounded[token * experts + i] = comparable(scores[i]!);
      });
      chosen!.fill(-1);
      for (let row = 0; row < batch; row++) {
        const tokens = inOrder(positions!, documents!, row * length, length);
        for (let expert = 0; expert < experts; expert++) {
          const score = (token: number) => rounded[token * experts + expert]!;
          // Sorting is stable.
          const best = tokens
            .slice()
            .sort((a, b) => score(b) - score(a))
            .subarray(0, most);
          for (const token of best) chosen![token * experts + expert] = expert;
        }
      }
    },
  },
  reference: ([logits, positions, documents], { scores, most }) => {
    const [, length, experts] = logits!.shape as [number, number, number];
    const scoreOf = (token: number, expert: number) => {
      const row = logits!.data.subarray(token * experts, (token + 1) * experts);
      const all = scores === 'softmax' ? row.reduce((sum, z) => sum + Math.exp(z), 0) : 1 + Math.exp(row[expert]!);
      return Math.round((row[expert]! - Math.log(all)) * 4096);
    };
    return [
      ndarray(logits!.shape, (slot) => {
        const [token, expert] = [Math.floor(slot / experts), slot % experts];
        const first = Math.floor(token / length) * length;
        const others = Array.from({ length }, (_, i) => first + i);
        const isBefore = (a: number, b: number) =>
          documents!.data[a]! - documents!.data[b]! || positions!.data[a]! - positions!.data[b]!;
        const better = others.filter(
          (other) =>
            scoreOf(other, expert) > scoreOf(token, expert) ||
            (scoreOf(other, expert) === scoreOf(token, expert) && isBefore(other, token) < 0),
        );
        return better.length < most ? expert : -1;
      }),
    ];
  },
};

/**
 * Logits [b, s, experts] of whole sequences, and where their tokens stand, positions and documents [b, s] -> slots [b, s, experts]: expert e
 * in slot e of the `most` tokens of a sequence that score it highest, else -1. What is chosen has no gradient.
 */
export const chooseTokens = (
  logits: Value,
  places: { readonly positions: Value; readonly documents: Value },
  attrs: Choosing,
): Value => apply(chooseTokensOp, [logits, places.positions, places.documents], attrs)[0]!;

export const chooseTokensOps = { chooseTokensOp };
