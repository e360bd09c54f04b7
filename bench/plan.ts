// How fast layouts are searched: Llama 3.1 405B on 16,384 H100, the whole space, the exact best, on one core.
import { findModel } from '../src/checkpoint/model-source.ts';
import { printLayout } from '../src/mesh/layout.ts';
import { fittedCosts } from '../src/plan/cost/fitted-costs.ts';
import { parseCluster } from '../src/plan/hardware/cluster-name.ts';
import { bestLayouts } from '../src/plan/search/search.ts';
import { currentSoftware, mixedPrecision } from '../src/plan/training/scenario.ts';

interface Case {
  readonly model: string;
  readonly cluster: string;
  readonly seqLen: number;
  readonly globalBatch: number;
}

const cases: readonly Case[] = [
  { model: 'llama-3.1-405b', cluster: '16384xh100', seqLen: 8192, globalBatch: 2048 },
  { model: 'llama-3.1-70b', cluster: '512xh100', seqLen: 8192, globalBatch: 512 },
  { model: 'mixtral-8x7b', cluster: '256xh100', seqLen: 4096, globalBatch: 512 },
  { model: 'llama-3.1-8b', cluster: '8xh100', seqLen: 8192, globalBatch: 64 },
];

// Seconds of the processor: what else the machine does meanwhile is no part of them. A model that was looked at once is known, so that each
// is read anew, and the first search of all compiles the code.
for (const { model, cluster, seqLen, globalBatch } of [cases.at(-1)!, ...cases]) {
  const task = {
    config: findModel(model, undefined).config,
    cluster: parseCluster(cluster),
    seqLen,
    globalBatch,
    formats: mixedPrecision('bf16'),
    software: currentSoftware,
  };
  const before = process.cpuUsage();
  const { found, judged, pruned } = bestLayouts(task, fittedCosts, { objective: 'time', top: 1 });
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const [best] = found;
  console.log(
    `${model} on ${cluster}: ${seconds.toFixed(2)} s, ${judged} layouts, ${Math.round(judged / seconds)} a second, ${judged - pruned} predicted; best ${best ? printLayout(best.scenario.layout) : 'none'}`,
  );
}
