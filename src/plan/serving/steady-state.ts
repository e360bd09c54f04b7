// Continuous batching when as many requests begin as end: means, by arithmetic.
import { type Batch, ofRank, promptBatch, writingBatch } from './batch.ts';
import type { EnginePolicy } from './engines.ts';
import type { Iterate } from './iteration.ts';
import type { TokenCounts } from './lengths.ts';
import type { IterationSeconds, Speculation } from './scenario.ts';
import { checkedTokens, draftShare, tokensOfIteration } from './speculation.ts';

/** One instance that reads and writes. */
export interface SteadySetting {
  readonly iterate: Iterate;
  readonly policy: EnginePolicy;
  /** Attention-data-parallel ranks, over which requests are dealt out evenly. */
  readonly ranks: number;
  readonly layers: number;
  readonly lengths: TokenCounts;
  readonly speculation?: Speculation | undefined;
  /** Requests that the instance has room for. */
  readonly room: number;
  /** From a request's sending to its queue, and from its first token to whoever waits for it. */
  readonly answerSeconds: number;
  /** False: prompts are read elsewhere. */
  readonly reads?: false;
}

export interface SteadyState {
  /** Requests written at once. */
  readonly running: number;
  readonly secondsToFirstToken: number;
  readonly secondsPerOutputToken: number;
  readonly secondsOfRequest: number;
  readonly requestsPerSecond: number;
  readonly decodeIteration: IterationSeconds;
}

/** Seconds that reading one prompt costs the rank that does it, besides what it writes anyway, and until its first token is there. */
interface Reading {
  readonly extra: number;
  readonly alone: number;
}

/** Tokens of an iteration's prompts by engine: a prompt in pieces, or as many whole ones as there is room for. */
function readingSeconds(setting: SteadySetting, writing: Batch, writingSeconds: number): Reading {
  const { iterate, policy, lengths, reads } = setting;
  if (reads === false) return { extra: 0, alone: 0 };
  const { inputTokens } = lengths;
  const budget = policy.mixes
    ? Math.max(1, policy.promptTokens - writing.writing * writing.queries)
    : policy.promptTokens;
  const pieces = policy.chunks ? Math.ceil(inputTokens / budget) : 1;
  let extra = 0;
  let alone = 0;
  for (let piece = 0; piece < pieces; piece++) {
    const prompt = promptBatch(1, inputTokens / pieces, (piece * inputTokens) / pieces);
    const seconds = iterate(policy.mixes ? { ...prompt, ...writingPart(writing) } : prompt).total;
    extra += policy.mixes ? seconds - writingSeconds : seconds;
    alone += seconds;
  }
  return { extra, alone };
}

const writingPart = ({ writing, queries, context }: Batch) => ({ writing, queries, context });

/**
 * Times that an iteration is held up by the reading of a prompt, where so many begin in it over all ranks. Ranks wait for each other: one that
 * reads holds up all, unless all read together.
 */
function stallsOf(begun: number, ranks: number, { gathersPrompts }: EnginePolicy): number {
  const together = begun / ranks;
  const gathered = Math.min(ranks, 1 + begun * gathersPrompts);
  return Math.max(together, (1 - Math.exp(-begun)) / gathered);
}

/** With `concurrency` requests under way at any time, of which those that have no room wait. */
export function closedLoop(setting: SteadySetting, concurrency: number): SteadyState {
  const { iterate, ranks, layers, lengths, speculation, policy, answerSeconds } = setting;
  const { inputTokens, outputTokens } = lengths;
  const context = inputTokens + outputTokens / 2;
  const added = tokensOfIteration(speculation);
  const queries = checkedTokens(speculation);
  const most = Math.max(1, Math.min(concurrency, setting.room, policy.maxRunning * ranks));
  let running = most;
  for (let round = 0; ; round++) {
    const batch = writingBatch(ofRank(running, ranks), context, queries);
    const written = iterate(batch);
    const decode = written.total * (1 + draftShare(speculation, layers));
    const reading = readingSeconds(setting, batch, written.total);
    const begun = ((running - 1) / outputTokens) * added;
    const stalls = stallsOf(begun, ranks, policy);
    const gap = decode + stalls * reading.extra;
    const perToken = gap / added;
    const writingSeconds = (outputTokens - 1) * perToken;
    // A request comes in the middle of an iteration, and finds as many prompts before it as have come in the time of one.
    const toFirst = setting.reads === false ? 0 : answerSeconds + gap / 2 + reading.alone * (1 + stalls / 2);
    const inService = toFirst + writingSeconds;
    const writes = Math.max(Math.min(1, most), (most * writingSeconds) / inService);
    if (round === 60 || Math.abs(writes - running) < 1e-3 * running) {
      const requestsPerSecond = most / inService;
      const waiting = (concurrency - most) / requestsPerSecond;
      return {
        running,
        secondsToFirstToken: toFirst + waiting,
        secondsPerOutputToken: perToken,
        secondsOfRequest: inService + waiting,
        requestsPerSecond,
        decodeIteration: written,
      };
    }
    running = (running + writes) / 2;
  }
}
