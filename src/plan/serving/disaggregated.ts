// Pools apart: instances that read prompts, and instances that write, to which keys and values are handed on.
import { promptBatch } from './batch.ts';
import type { Instance } from './instance.ts';
import { closedLoop, type SteadySetting, type SteadyState } from './steady-state.ts';

export interface DisaggregatedSetting {
  readonly prefill: Instance;
  readonly prefills: number;
  /** Of each of so many instances that write. */
  readonly decode: SteadySetting;
  readonly decodes: number;
  /** From an instance that reads to one that writes, of a whole prompt. */
  readonly transferSeconds: number;
}

/** With so many requests under way over both pools. `running` is of one instance that writes, requests a second of all. */
export function disaggregatedLoop(setting: DisaggregatedSetting, concurrency: number): SteadyState {
  const { prefill, prefills, decode, decodes, transferSeconds } = setting;
  const reading = prefill.iterate(promptBatch(1, decode.lengths.inputTokens)).total;
  const besides = decode.answerSeconds + transferSeconds;
  const readers = prefills * prefill.layout.dp;
  /** With so many requests being written on average. */
  const writing = (requests: number): SteadyState => {
    const ofInstance = closedLoop({ ...decode, reads: false }, Math.max(1, requests / decodes));
    return { ...ofInstance, requestsPerSecond: ofInstance.requestsPerSecond * Math.min(requests, decodes) };
  };
  const tooMany = (requests: number): boolean => {
    const { requestsPerSecond: rate } = writing(requests);
    const load = (rate * reading) / readers;
    return load >= 1 || requests + rate * (reading + queued(load) + besides) > concurrency;
  };
  /** Of a queue with so many servers and equal times of service (M/D/c, by Sakasegawa's approximation). */
  const queued = (load: number): number =>
    (reading * load ** (Math.sqrt(2 * (readers + 1)) - 1)) / (2 * readers * (1 - load));

  let least = 0;
  let most = concurrency;
  for (let round = 0; round < 30; round++) {
    const middle = (least + most) / 2;
    if (tooMany(middle)) most = middle;
    else least = middle;
  }
  const state = writing(most);
  const requestsPerSecond = Math.min(state.requestsPerSecond, readers / reading);
  // All that are under way and not written are read, on their way or wait.
  const toFirst = Math.max(reading + besides, (concurrency - most) / requestsPerSecond);
  return {
    ...state,
    requestsPerSecond,
    secondsToFirstToken: toFirst,
    secondsOfRequest: toFirst + most / requestsPerSecond,
  };
}
