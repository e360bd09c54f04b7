// Written by tools/fit-serving.ts; engines.ts says what the numbers are.
import type { EngineName, EngineTimes } from './engines.ts';

export const engineTimes: Readonly<Record<EngineName, EngineTimes>> = {
  trtllm: {
    iterationSeconds: 0.0004,
    requestSeconds: 0.00002,
    kernelSeconds: 0.000001,
    launchSeconds: 0.00001,
    answerSeconds: 0.02,
    promptTokenSeconds: 0.00001,
    reduceSeconds: 0.000007,
    experts: 1.1,
    narrowExperts: 0.7,
    widenedExperts: 2,
    prompts: 1.29,
  },
  vllm: {
    iterationSeconds: 0,
    requestSeconds: 0,
    kernelSeconds: 0.000001,
    launchSeconds: 0.00001,
    answerSeconds: 0.02,
    promptTokenSeconds: 0.000011,
    reduceSeconds: 0.000012,
    experts: 1.5,
    narrowExperts: 0.7,
    widenedExperts: 1.5,
    prompts: 1.2,
  },
  sglang: {
    iterationSeconds: 0.0004,
    requestSeconds: 0.000012,
    kernelSeconds: 6e-7,
    launchSeconds: 0.00001,
    answerSeconds: 0.02,
    promptTokenSeconds: 0.000011,
    reduceSeconds: 0.000007,
    experts: 1.45,
    narrowExperts: 1.45,
    widenedExperts: 1.45,
    prompts: 1.15,
  },
};

/** How unequally experts are liked (used-experts.ts). */
export const routingSkew = 0.6;
