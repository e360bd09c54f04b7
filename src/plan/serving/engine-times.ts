// Written by tools/fit-serving.ts; engines.ts says what the numbers are.
import type { EngineName, EngineTimes } from './engines.ts';

export const engineTimes: Readonly<Record<EngineName, EngineTimes>> = {
  trtllm: {
    iterationSeconds: 0.0008,
    requestSeconds: 0.000018,
    kernelSeconds: 0.000001,
    launchSeconds: 0.00001,
    answerSeconds: 0.035,
    promptTokenSeconds: 0.00001,
    reduceSeconds: 0.000007,
    experts: 0.9,
    narrowExperts: 0.7,
    widenedExperts: 1.6,
    prompts: 1.49,
  },
  vllm: {
    iterationSeconds: 0,
    requestSeconds: 0,
    kernelSeconds: 0.000001,
    launchSeconds: 0.00001,
    answerSeconds: 0.06,
    promptTokenSeconds: 0.000012,
    reduceSeconds: 0.000012,
    experts: 1.5,
    narrowExperts: 0.7,
    widenedExperts: 1.6,
    prompts: 1.2,
  },
  sglang: {
    iterationSeconds: 0.0004,
    requestSeconds: 0.000018,
    kernelSeconds: 6e-7,
    launchSeconds: 0.00001,
    answerSeconds: 0.06,
    promptTokenSeconds: 0.000028,
    reduceSeconds: 0.000007,
    experts: 1.5,
    narrowExperts: 1.5,
    widenedExperts: 1.45,
    prompts: 1.2,
  },
};

/** How unequally experts are liked (used-experts.ts). */
export const routingSkew = 0.6;
