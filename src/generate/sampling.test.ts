// Against transformers' own chain of processors, and by counting what is drawn.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { choicesOf, pickToken, type Sampling } from './sampling.ts';
import { uniform } from './writer.ts';

interface Fixture {
  readonly logits: Readonly<Record<string, readonly number[]>>;
  readonly cases: readonly {
    readonly logits: string;
    readonly temperature: number;
    readonly topK: number | null;
    readonly topP: number | null;
    readonly minP: number | null;
    readonly kept: readonly number[];
    readonly probabilities: readonly number[];
  }[];
}

const fixture = JSON.parse(readFileSync('test/fixtures/sampling.json', 'utf8')) as Fixture;

test('the tokens kept and their probabilities are those of transformers', () => {
  expect(fixture.cases.length).toBeGreaterThan(100);
  for (const { logits, temperature, topK, topP, minP, kept, probabilities } of fixture.cases) {
    const sampling: Sampling = {
      temperature,
      ...(topK === null ? {} : { topK }),
      ...(topP === null ? {} : { topP }),
      ...(minP === null ? {} : { minP }),
    };
    const choices = choicesOf(fixture.logits[logits]!, sampling);
    const what = `${logits} ${JSON.stringify(sampling)}`;
    // A probability below the smallest double is 0 there.
    const possible = choices.tokens.filter((_, index) => choices.probabilities[index]! > 0);
    expect(possible, what).toEqual(kept);
    for (const [index, token] of kept.entries())
      expect(
        Math.abs(choices.probabilities[choices.tokens.indexOf(token)]! - probabilities[index]!),
        what,
      ).toBeLessThan(1e-14);
  }
});

/** The largest of 99.9 % of all chi-squares, by the Wilson-Hilferty approximation. */
const chiSquareBound = (freedom: number): number =>
  freedom * (1 - 2 / (9 * freedom) + 3.0902 * Math.sqrt(2 / (9 * freedom))) ** 3;

test.each([
  ['all tokens', { temperature: 0.8 }],
  ['a high temperature', { temperature: 3 }],
  ['top-k', { temperature: 1, topK: 5 }],
  ['top-p', { temperature: 1.2, topP: 0.8 }],
  ['min-p', { temperature: 1, minP: 0.1 }],
] as const)('%s: tokens are drawn as often as they are likely', (_, sampling) => {
  const logits = fixture.logits.random!;
  const { tokens, probabilities } = choicesOf(logits, sampling);
  const counts = new Map<number, number>(tokens.map((token) => [token, 0]));
  const draws = 5000;
  for (let position = 0; position < draws; position++) {
    const token = pickToken(logits, sampling, uniform(7, position));
    expect(counts.has(token)).toBe(true);
    counts.set(token, counts.get(token)! + 1);
  }
  let chiSquare = 0;
  // Tokens that are too unlikely to be counted alone are counted together.
  const rest = { expected: 0, counted: 0 };
  let cells = 0;
  for (const [index, token] of tokens.entries()) {
    const expected = probabilities[index]! * draws;
    const counted = counts.get(token)!;
    if (expected >= 5) {
      chiSquare += (counted - expected) ** 2 / expected;
      cells++;
    } else {
      rest.expected += expected;
      rest.counted += counted;
    }
  }
  if (rest.expected >= 5) {
    chiSquare += (rest.counted - rest.expected) ** 2 / rest.expected;
    cells++;
  } else expect(rest.counted).toBeLessThan(rest.expected + 12);
  expect(cells).toBeGreaterThan(2);
  expect(chiSquare).toBeLessThan(chiSquareBound(cells - 1));
});

test('temperature 0 takes the first of the likeliest, whatever else is set', () => {
  expect(pickToken([1, 5, 2, 5], { temperature: 0, topK: 2, topP: 0.1, minP: 1 }, 0.99)).toBe(1);
  expect(pickToken([1e300, -1e300], { temperature: 5e-324 }, 0.999)).toBe(0);
});

test('a draw lies in its token, up to the borders', () => {
  const logits = [Math.log(1), Math.log(2), Math.log(1)];
  const at = (x: number): number => pickToken(logits, { temperature: 1 }, x);
  expect([0, 0.2499, 0.2501, 0.7499, 0.7501, 1 - 2 ** -32].map(at)).toEqual([0, 0, 1, 1, 2, 2]);
});

test('any logits: probabilities add up to 1, the likeliest token stays, and a tighter filter keeps no more', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  const logits = fc.array(fc.double({ min: -1e30, max: 1e30, noNaN: true }), { minLength: 1, maxLength: 20 });
  const temperature = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
  fc.assert(
    fc.property(
      logits,
      temperature,
      fc.integer({ min: 1, max: 25 }),
      share,
      share,
      (row, temperature, topK, topP, minP) => {
        const all = choicesOf(row, { temperature, topK });
        const some = choicesOf(row, { temperature, topK, topP, minP });
        expect(some.probabilities.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
        expect(some.tokens.every((token) => all.tokens.includes(token))).toBe(true);
        // Dividing may make the likeliest and the next to it equal.
        const most = Math.max(...row);
        expect(some.tokens.some((token) => (row[token]! - most) / temperature === 0)).toBe(true);
        expect(all.tokens.length).toBeGreaterThanOrEqual(Math.min(topK, row.length));
      },
    ),
  );
});

test('logits that are no numbers are an error, not a token', () => {
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    expect(() => pickToken([0, wrong], { temperature: 0 }, 0)).toThrow(`the logit of token 1 is ${wrong}`);
});
