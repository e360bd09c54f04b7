// Which token comes next: the likeliest, or one drawn from what temperature, top-k, top-p and min-p leave.
// The order, the ties and the borders are those of the logits processors of Hugging Face transformers.

export interface Sampling {
  /** The logits are divided by it; 0 takes the likeliest token whatever else is set. */
  readonly temperature: number;
  /** Keeps the k likeliest tokens, and all that are as likely as the last of them. */
  readonly topK?: number;
  /** In [0, 1]. Keeps the likeliest tokens until their probabilities reach p: the one that crosses p stays, and at least one does. */
  readonly topP?: number;
  /** In [0, 1]. Keeps the tokens at least this share as likely as the likeliest. */
  readonly minP?: number;
}

/** Tokens in rising order and the probability of each; they add up to 1. */
export interface Choices {
  readonly tokens: readonly number[];
  readonly probabilities: readonly number[];
}

/** The token that `at` in [0, 1) picks. Throws when the logits are not finite: a sum went beyond the precision's range. */
export function pickToken(logits: ArrayLike<number>, sampling: Sampling, at: number): number {
  const best = likeliest(logits);
  if (sampling.temperature === 0) return best;
  const { tokens, probabilities } = choicesOf(logits, sampling);
  let left = at;
  for (const [index, token] of tokens.entries()) {
    left -= probabilities[index]!;
    if (left < 0) return token;
  }
  // The probabilities add up to a little less than 1 and `at` lies between.
  return tokens[tokens.length - 1]!;
}

/**
 * What is drawn from. Each filter sees the probabilities that the one before it left, as a whole: temperature, top-k, top-p, min-p.
 * Every filter keeps the tokens from some score on; of those exactly at it, top-p drops the first ones.
 */
export function choicesOf(logits: ArrayLike<number>, { temperature, topK, topP, minP }: Sampling): Choices {
  const best = logits[likeliest(logits)]!;
  // Of the largest, so that none overflows: 0 for the likeliest.
  let kept = Array.from(logits, (logit, token) => ({ token, score: (logit - best) / temperature }));
  if (topK !== undefined && topK < kept.length) {
    const least = rising(kept).at(-topK)!;
    kept = kept.filter(({ score }) => score >= least);
  }
  if (topP !== undefined && topP < 1) kept = nucleus(kept, topP);
  if (minP !== undefined) kept = kept.filter(({ score }) => Math.exp(score) >= minP);
  const weights = kept.map(({ score }) => Math.exp(score));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return { tokens: kept.map(({ token }) => token), probabilities: weights.map((weight) => weight / total) };
}

interface Scored {
  readonly token: number;
  readonly score: number;
}

const rising = (tokens: readonly Scored[]): Float64Array => Float64Array.from(tokens, ({ score }) => score).sort();

/** Without the unlikeliest tokens that together have a probability of at most 1 - p. */
function nucleus(tokens: readonly Scored[], p: number): Scored[] {
  const scores = rising(tokens);
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  let dropped = 0;
  let tail = 0;
  while (dropped < scores.length - 1) {
    tail += Math.exp(scores[dropped]!) / total;
    if (tail > 1 - p) break;
    dropped++;
  }
  const least = scores[dropped]!;
  let droppedAtLeast = dropped - scores.indexOf(least);
  return tokens.filter(({ score }) => score > least || (score === least && droppedAtLeast-- <= 0));
}

/** The first of the largest. */
function likeliest(logits: ArrayLike<number>): number {
  let best = 0;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token]!;
    if (!Number.isFinite(logit)) throw new Error(`the logit of token ${token} is ${logit}`);
    if (logit > logits[best]!) best = token;
  }
  return best;
}
