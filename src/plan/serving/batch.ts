// What an engine works on in one iteration, seen by one attention-data-parallel rank.

export interface Batch {
  /** Requests that are written. */
  readonly writing: number;
  /** Tokens that each of them takes through the model: one, and those drafted. */
  readonly queries: number;
  /** Tokens of context that each of them looks at, on average. */
  readonly context: number;
  /** Prompts that are read, whole or a piece of each. */
  readonly prompts: number;
  /** Tokens of such a prompt that are read, and tokens before them that were read earlier. */
  readonly promptTokens: number;
  readonly promptBefore: number;
}

/** No prompts. */
export const writingBatch = (writing: number, context: number, queries = 1): Batch => ({
  writing,
  queries,
  context,
  prompts: 0,
  promptTokens: 0,
  promptBefore: 0,
});

/** Prompts alone. */
export const promptBatch = (prompts: number, promptTokens: number, promptBefore = 0): Batch => ({
  writing: 0,
  queries: 1,
  context: 0,
  prompts,
  promptTokens,
  promptBefore,
});

/** Tokens that go through the layers. */
export const tokensOf = ({ writing, queries, prompts, promptTokens }: Batch): number =>
  writing * queries + prompts * promptTokens;

/** Rows that the head is taken of: one a prompt, all that may become tokens of a request. */
export const sampledRows = ({ writing, queries, prompts }: Batch): number => writing * queries + prompts;

/** Of so many requests, those of a rank that has some: where others have none they take part with one that is made up. */
export const ofRank = (requests: number, ranks: number): number => Math.max(Math.min(1, requests), requests / ranks);
