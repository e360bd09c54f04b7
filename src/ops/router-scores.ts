// What a router's logits say of a token: a score for each expert, and the gradient of scores in logits.

/** What becomes of a token's logits: shares of one, or a number from 0 to 1 each. */
export type Scores = 'softmax' | 'sigmoid';

/** In place. */
export const scored: Readonly<Record<Scores, (logits: Float64Array) => void>> = {
  softmax(row) {
    const most = row.reduce((a, b) => Math.max(a, b));
    let sum = 0;
    for (const [i, logit] of row.entries()) sum += row[i] = Math.exp(logit - most);
    for (const i of row.keys()) row[i]! /= sum;
  },
  sigmoid(row) {
    for (const [i, logit] of row.entries()) row[i] = 1 / (1 + Math.exp(-logit));
  },
};

/** What scores' gradients make of logits', in place. */
export const unscored: Readonly<Record<Scores, (gradient: Float64Array, scores: Float64Array) => void>> = {
  softmax(gradient, scores) {
    const common = gradient.reduce((sum, g, i) => sum + g * scores[i]!, 0);
    for (const i of gradient.keys()) gradient[i] = scores[i]! * (gradient[i]! - common);
  },
  sigmoid(gradient, scores) {
    for (const i of gradient.keys()) gradient[i]! *= scores[i]! * (1 - scores[i]!);
  },
};

/** Calls `visit` with every token and its scores; the array is the same for all. */
export function eachToken(
  logits: ArrayLike<number>,
  experts: number,
  scores: Scores,
  visit: (token: number, scores: Float64Array) => void,
): void {
  const row = new Float64Array(experts);
  for (let token = 0; token * experts < logits.length; token++) {
    for (let i = 0; i < experts; i++) row[i] = logits[token * experts + i]!;
    scored[scores](row);
    visit(token, row);
  }
}
