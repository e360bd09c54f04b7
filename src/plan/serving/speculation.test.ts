// Tokens of an iteration with a draft against the sum over how many of its tokens are right.
import { expect, test } from 'vitest';
import { checkedTokens, draftShare, tokensOfIteration } from './speculation.ts';

test.each([
  [1, 0.7],
  [3, 0.8],
  [5, 0],
  [4, 1],
])('%i drafted tokens of which each is right with %f', (draftTokens, acceptance) => {
  let mean = 0;
  for (let right = 0; right <= draftTokens; right++) {
    const ends = right === draftTokens ? 1 : 1 - acceptance;
    mean += (right + 1) * acceptance ** right * ends;
  }
  expect(tokensOfIteration({ draftTokens, acceptance })).toBeCloseTo(mean, 12);
  expect(checkedTokens({ draftTokens, acceptance })).toBe(draftTokens + 1);
});

test('without a draft an iteration adds a token and costs nothing more', () => {
  expect([tokensOfIteration(undefined), checkedTokens(undefined), draftShare(undefined, 10)]).toEqual([1, 1, 0]);
});
