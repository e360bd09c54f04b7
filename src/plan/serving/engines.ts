// Serving engines as the planner sees them: what they do with a batch, and the time that is theirs.

export const engineNames = ['trtllm', 'vllm', 'sglang'] as const;
export type EngineName = (typeof engineNames)[number];

export interface EnginePolicy {
  /** Prompt tokens that one iteration takes at most, of one attention-data-parallel rank. */
  readonly promptTokens: number;
  /** Prompts are read in the iterations that write; else in iterations of their own, while no request is written. */
  readonly mixes: boolean;
  /** A prompt longer than that is read in pieces. */
  readonly chunks: boolean;
  /**
   * Attention-data-parallel ranks read prompts together: the first waits until every rank has one, for so many iterations at most. Otherwise ranks
   * without one wait while another reads.
   */
  readonly gathersPrompts: number;
  /** A request holds room for all its tokens from the start; else for those it has. */
  readonly reservesAll: boolean;
  /** Of a device's memory, what the engine takes for weights, buffers and cache. */
  readonly memoryShare: number;
  /** Of what weights and buffers leave of that, the cache. */
  readonly cacheShare: number;
  /** Layers whose tokens look at a window keep that alone; else they keep all. */
  readonly keepsWindows: boolean;
  /** Requests written at once by one attention-data-parallel rank, at most. */
  readonly maxRunning: number;
}

/** Seconds and factors that are the engine's, fitted by tools/fit-serving.ts. */
export interface EngineTimes {
  /** Of an iteration: scheduling, preparing its inputs, starting its graph. */
  readonly iterationSeconds: number;
  /** Of the host, for a request of an iteration: its token is made text and sent, its next inputs are prepared, while the device works. */
  readonly requestSeconds: number;
  /** Of a kernel, over what it takes alone: gaps, and small kernels that are not listed; less than nothing where launches overlap. */
  readonly kernelSeconds: number;
  /** Of a kernel of an iteration that reads prompts: those are not captured in graphs, so that the host launches one after the other. */
  readonly launchSeconds: number;
  /** Of a request, once: it comes over the network and is queued, its first token goes back. And of a token of its prompt, made of text. */
  readonly answerSeconds: number;
  readonly promptTokenSeconds: number;
  /** Until an all-reduce of the engine's own begins: one in which each rank reads what all others of its node have, at once. */
  readonly reduceSeconds: number;
  /** What was measured over what the model of experts' products says. */
  readonly experts: number;
  /** The same of experts of four bits whose products the device takes as they are. */
  readonly narrowExperts: number;
  /** The same of experts whose weights are widened before products are taken of them. */
  readonly widenedExperts: number;
  /** Of products and attention of iterations that read prompts, over what their models say: clocks are lower where there is more work. */
  readonly prompts: number;
}

export const enginePolicies: Readonly<Record<EngineName, EnginePolicy>> = {
  trtllm: {
    promptTokens: 8192,
    mixes: true,
    chunks: false,
    gathersPrompts: 50,
    reservesAll: true,
    memoryShare: 1,
    cacheShare: 0.9,
    keepsWindows: false,
    maxRunning: 4096,
  },
  vllm: {
    promptTokens: 8192,
    mixes: true,
    chunks: true,
    gathersPrompts: 0,
    reservesAll: false,
    memoryShare: 0.92,
    cacheShare: 1,
    keepsWindows: true,
    maxRunning: 1024,
  },
  sglang: {
    promptTokens: 8192,
    mixes: false,
    chunks: true,
    gathersPrompts: 0,
    reservesAll: false,
    memoryShare: 0.88,
    cacheShare: 1,
    keepsWindows: true,
    maxRunning: 1024,
  },
};
