// Which layouts train a model of eight billion parameters fastest on 16 GPUs in two nodes, and what holds the best one up.
import {
  bestLayouts,
  bottleneckOf,
  currentSoftware,
  fittedCosts,
  mixedPrecision,
  parseCluster,
  parseModelConfig,
  presets,
  printLayout,
} from 'fivefold/planner';

const task = {
  config: parseModelConfig(presets['llama-3.1-8b'], 'llama-3.1-8b'),
  cluster: parseCluster('16xh100'),
  seqLen: 8192,
  globalBatch: 64,
  formats: mixedPrecision('bf16'),
  software: currentSoftware,
};

const { found, judged } = bestLayouts(task, fittedCosts, { objective: 'time', top: 3 });
for (const { scenario, prediction } of found) {
  const { stepSeconds, mfu, memory } = prediction;
  const figures = `${stepSeconds.toFixed(2)} s a step, MFU ${(100 * mfu).toFixed(0)} %, ${(memory.total / 1e9).toFixed(0)} GB`;
  console.log(`${printLayout(scenario.layout)}, microbatches of ${scenario.microBatch}: ${figures}`);
}
const [best] = found;
if (best) console.log(`The best of ${judged}: ${bottleneckOf(best.scenario, best.prediction).because}.`);
