// Random models and clusters for properties of the planner: small enough that every layout of them can be predicted.
import fc from 'fast-check';
import { parseModelConfig } from '../src/model/families.ts';
import { parameterCount } from '../src/model/weights.ts';
import { parseCluster } from '../src/plan/hardware/cluster-name.ts';
import { type ObjectiveName, objectiveNames } from '../src/plan/search/objective.ts';
import type { SearchTask } from '../src/plan/search/task.ts';
import { currentSoftware } from '../src/plan/software/software.ts';
import { mixedPrecision } from '../src/plan/training/scenario.ts';
import { configJson, type SmallModel } from './small-models.ts';

export interface PlannerCase {
  readonly task: SearchTask;
  readonly objective: ObjectiveName;
}

const families = ['llama', 'gpt2', 'qwen3', 'mixtral', 'qwen3_moe'] as const;

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
    cluster: fc.constantFrom('2xh100', '4xa100', '3xh200'),
    memory: fc.double({ min: 0, max: 1, noNaN: true }),
    globalBatch: fc.constantFrom(2, 3, 4),
    objective: fc.constantFrom(...objectiveNames),
    overlapsPipeline: fc.boolean(),
    expertOps: fc.constantFrom('by op' as const, 'looped' as const, 'fused' as const),
    loss: fc.constantFrom('separate' as const, 'in place' as const, 'fused' as const, 'blocks' as const),
  })
  .map(({ family, width, layers, kvHeads, tied, experts, dense, memory, globalBatch, objective, ...rest }) => {
    const isMixture = family === 'mixtral' || family === 'qwen3_moe';
    const model: SmallModel = {
      family,
      heads: 4,
      kvHeads,
      headDim: family === 'gpt2' ? 16 * width : 2 * Math.max(4, width),
      hidden: 64 * width,
      mlp: 128 * width,
      vocab: 500 * width,
      layers,
      tied,
      biases: false,
      window: 32,
      ...(isMixture
        ? {
            mixture: {
              experts,
              perToken: 1,
              width: 32 * width,
              sharedWidth: 32,
              normalised: true,
              dense: dense && family === 'qwen3_moe' && layers > 1 ? [0] : [],
            },
          }
        : {}),
    };
    const cluster = parseCluster(rest.cluster);
    const config = parseModelConfig(configJson(model), family);
    // Beside what every process takes: from next to nothing to all there is to hold.
    const most = 24 * parameterCount(config) + 1e4 * width * layers * globalBatch * 32;
    const memoryBytes = 2.05 * 2 ** 30 + memory ** 2 * most;
    return {
      objective,
      task: {
        config,
        cluster: { ...cluster, device: { ...cluster.device, memoryBytes } },
        seqLen: 32,
        globalBatch,
        formats: mixedPrecision('bf16'),
        software: {
          ...currentSoftware,
          overlapsPipeline: rest.overlapsPipeline,
          loss: rest.loss,
          experts: rest.expertOps,
        },
      },
    };
  });

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
