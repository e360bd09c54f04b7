// Speculative decoding: tokens that are drafted cheaply and checked all at once (Leviathan et al., 2023).
import type { Speculation } from './scenario.ts';

/** More than any draft that pays. */
const mostDrafted = 64;

/** `3:0.7`: drafted tokens, 1 to 64, and the probability of each. Undefined: it is not that. */
export function parseSpeculation(text: string): Speculation | undefined {
  const [, tokens, share] = /^\s*(\d+)\s*:\s*(\d*\.?\d+)\s*$/.exec(text) ?? [];
  const speculation = { draftTokens: Number(tokens), acceptance: Number(share) };
  const { draftTokens, acceptance } = speculation;
  return draftTokens >= 1 && draftTokens <= mostDrafted && acceptance <= 1 ? speculation : undefined;
}

export const printSpeculation = ({ draftTokens, acceptance }: Speculation): string => `${draftTokens}:${acceptance}`;

/** Tokens that an iteration adds to a request on average: those drafted that are right, and one more. */
export function tokensOfIteration(speculation: Speculation | undefined): number {
  if (!speculation) return 1;
  const { draftTokens, acceptance } = speculation;
  return acceptance === 1 ? draftTokens + 1 : (1 - acceptance ** (draftTokens + 1)) / (1 - acceptance);
}

/** Tokens of a request that go through the model in an iteration. */
export const checkedTokens = (speculation: Speculation | undefined): number => 1 + (speculation?.draftTokens ?? 0);

/** What drafting adds to an iteration, as a share of it; one layer a token, unless it is said. */
export function draftShare(speculation: Speculation | undefined, layers: number): number {
  if (!speculation) return 0;
  return speculation.draftShare ?? speculation.draftTokens / layers;
}
