// Written by tools/fit-serving.ts; engines.ts says what the numbers are.
import type { EngineName, EngineTimes } from './engines.ts';

export const engineTimes: Readonly<Record<EngineName, EngineTimes>> = {
  trtllm: {
    iterationSeconds: 0.0005,
    requestSeconds: 0.000014,
    kernelSeconds: 0.000001,
    launchSeconds: 0.00001,
    answerSeconds: 0.0375,
    promptTokenSeconds: 0.000016,
    reduceSeconds: 0.000003,
    products: 1,
    experts: 0.825,
    attention: 1,
    prompts: 1.19,
  },
  vllm: {
    iterationSeconds: 0,
    requestSeconds: 0.000011,
    kernelSeconds: 0.000001,
    launchSeconds: 0.00001,
    answerSeconds: 0.04,
    promptTokenSeconds: 0.000011,
    reduceSeconds: 0.00002,
    products: 1,
    experts: 1.15,
    attention: 1,
    prompts: 0.825,
  },
  sglang: {
    iterationSeconds: 0,
    requestSeconds: 0.00002,
    kernelSeconds: 6e-7,
    launchSeconds: 0.00001,
    answerSeconds: 0.04,
    promptTokenSeconds: 0.000029,
    reduceSeconds: 0.000005,
    products: 1,
    experts: 1.3,
    attention: 1,
    prompts: 0.9,
  },
};
