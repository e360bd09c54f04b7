// Random models and clusters for properties of the planner: small enough that every layout of them can be predicted.
import fc from 'fast-check';
import { parseModelConfig } from '../src/model/families.ts';
import { parameterCount } from '../src/model/weights.ts';
import type { Cluster } from '../src/plan/hardware/cluster.ts';
import { parseCluster } from '../src/plan/hardware/cluster-name.ts';
import { measuredCluster } from '../src/plan/hardware/measured-cluster.ts';
import { type NumberFormat, rateOf } from '../src/plan/hardware/number-format.ts';
import { type ObjectiveName, objectiveNames } from '../src/plan/search/objective.ts';
import type { SearchTask } from '../src/plan/search/task.ts';
import { currentSoftware, ownRuntime } from '../src/plan/software/software.ts';
import { mixedPrecision } from '../src/plan/training/scenario.ts';
import { measuredMachine } from './measured-machine.ts';
import { configJson, hasOwnKeys, mixtures, type SmallModel } from './small-models.ts';

export interface PlannerCase {
  readonly task: SearchTask;
  readonly objective: ObjectiveName;
}

const families = ['llama', 'gpt2', 'qwen3', 'gemma3_text', 'mixtral', 'qwen3_moe', 'deepseek_v3'] as const;

/** Widths from those of a toy to a large model's, so that launches, memory, products and links take turns in deciding. */
export const anyPlannerCase: fc.Arbitrary<PlannerCase> = fc
  .record({
    family: fc.constantFrom(...families),
    width: fc.constantFrom(1, 8, 64),
    layers: fc.integer({ min: 1, max: 4 }),
    kvHeads: fc.constantFrom(1, 2, 4),
    tied: fc.boolean(),
    experts: fc.constantFrom(2, 4),
    dense: fc.boolean(),
    cluster: fc.constantFrom('2xh100', '4xa100', '3xh200', '8xh100', 'measured'),
    window: fc.constantFrom(8, 32),
    products: fc.constantFrom('bf16' as const, 'fp8' as const),
    memory: fc.double({ min: 0, max: 1, noNaN: true }),
    globalBatch: fc.constantFrom(2, 3, 4, 8),
    objective: fc.constantFrom(...objectiveNames),
    overlapsPipeline: fc.boolean(),
    overlapsExperts: fc.boolean(),
    expertOps: fc.constantFrom('by op' as const, 'looped' as const, 'fused' as const),
    loss: fc.constantFrom('separate' as const, 'in place' as const, 'fused' as const, 'blocks' as const),
  })
  .map(({ family, width, layers, kvHeads, tied, experts, dense, memory, globalBatch, objective, ...rest }) => {
    const isMixture = mixtures.includes(family);
    const model: SmallModel = {
      family,
      heads: 4,
      kvHeads: hasOwnKeys(family) ? 4 : kvHeads,
      headDim: family === 'gpt2' ? 16 * width : 2 * Math.max(4, width),
      hidden: 64 * width,
      mlp: 128 * width,
      vocab: 500 * width,
      layers,
      tied,
      biases: false,
      window: rest.window,
      ...(isMixture
        ? {
            mixture: {
              experts,
              perToken: 1,
              width: 32 * width,
              sharedWidth: 32,
              normalised: true,
              dense: dense && family !== 'mixtral' && layers > 1 ? [0] : [],
            },
          }
        : {}),
    };
    const isMeasured = rest.cluster === 'measured';
    const cluster = isMeasured ? measuredCluster(measuredMachine(), 2) : parseCluster(rest.cluster);
    const config = parseModelConfig(configJson(model), family);
    // Beside what every process takes: from next to nothing to all there is to hold.
    const most = 24 * parameterCount(config) + 1e4 * width * layers * globalBatch * 32;
    const memoryBytes = 2.05 * 2 ** 30 + memory ** 2 * most;
    return {
      // Nobody knows what a measured machine draws.
      objective: isMeasured && objective === 'energy' ? 'time' : objective,
      task: {
        config,
        cluster: { ...cluster, device: { ...cluster.device, memoryBytes } },
        seqLen: 32,
        globalBatch,
        formats: mixedPrecision(formatOn(cluster, rest.products)),
        software: isMeasured
          ? ownRuntime
          : {
              ...currentSoftware,
              overlapsPipeline: rest.overlapsPipeline,
              overlapsExperts: rest.overlapsExperts,
              loss: rest.loss,
              experts: rest.expertOps,
            },
      },
    };
  });

/** Where its devices have no products in a format, that of most. */
function formatOn({ device }: Cluster, products: NumberFormat): NumberFormat {
  if (device.measured) return 'fp32';
  return device.flopsPerSecond[rateOf[products]] === undefined ? 'bf16' : products;
}

/** In one line. */
export const plannerCaseName = ({ task, objective }: PlannerCase): string => {
  const { config, cluster, globalBatch, software } = task;
  const { memoryBytes } = cluster.device;
  return JSON.stringify({
    source: config.source,
    cluster: cluster.name,
    memoryBytes,
    globalBatch,
    objective,
    software,
  });
};
