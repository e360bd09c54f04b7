// Fitted by tools/fit-serving.ts.
import type { EngineName, EngineTimes } from './engines.ts';

export const engineTimes: Readonly<Record<EngineName, EngineTimes>> = {
  trtllm: {
    iterationSeconds: 5e-4,
    requestSeconds: 1e-6,
    kernelSeconds: 1e-6,
    launchSeconds: 1e-5,
    answerSeconds: 1e-2,
    products: 1,
    experts: 1,
    attention: 1,
    talk: 1,
    prompts: 1,
  },
  vllm: {
    iterationSeconds: 1e-3,
    requestSeconds: 2e-6,
    kernelSeconds: 1e-6,
    launchSeconds: 1e-5,
    answerSeconds: 1e-2,
    products: 1,
    experts: 1,
    attention: 1,
    talk: 1,
    prompts: 1,
  },
  sglang: {
    iterationSeconds: 1e-3,
    requestSeconds: 2e-6,
    kernelSeconds: 1e-6,
    launchSeconds: 1e-5,
    answerSeconds: 1e-2,
    products: 1,
    experts: 1,
    attention: 1,
    talk: 1,
    prompts: 1,
  },
};
