// The layout that is asked about, of predict and explain, as a scenario: it fills the cluster, and divides the model and the batch.
import { option } from '../errors.ts';
import { readScheduleFile } from '../files/schedule-file.ts';
import { type Layout, parseLayout, printLayout } from '../mesh/layout.ts';
import { replicasOf, worldSize } from '../mesh/mesh.ts';
import { checkFit } from '../model/fit.ts';
import type { Cluster } from '../plan/hardware/cluster.ts';
import type { TrainingScenario } from '../plan/training/scenario.ts';
import { refuse } from '../train/refuse.ts';
import { type Asked, taskOf } from './asked.ts';

/** `globalBatch`: undefined: one microbatch a replica. @throws OPTION_INVALID and what parseLayout and checkFit do */
export function askedScenario(asked: Asked, layoutText: string, microBatch: number): TrainingScenario {
  const { config, cluster, seqLen } = asked;
  const layout = parseLayout(layoutText, readScheduleFile);
  checkRanks(layout, cluster);
  const unit = replicasOf(layout) * microBatch;
  const globalBatch = asked.globalBatch ?? unit;
  if (globalBatch % unit !== 0)
    refuse(
      'globalBatch',
      `${globalBatch} sequences do not divide into microbatches of ${microBatch} on ${replicasOf(layout)} replicas`,
      `use ${option('globalBatch')} ${Math.max(1, Math.round(globalBatch / unit)) * unit}`,
    );
  const microbatches = checkFit(config, layout, { seqLen, globalBatch, microBatch });
  const { globalBatch: _, ...given } = taskOf(asked, globalBatch);
  return { ...given, layout, microBatch, microbatches };
}

function checkRanks(layout: Layout, cluster: Cluster): void {
  const ranks = worldSize(layout);
  if (ranks === cluster.devices) return;
  const rest = cluster.devices / (ranks / layout.dp);
  refuse(
    'layout',
    `${printLayout(layout)} has ${ranks} ranks and ${cluster.name} ${cluster.devices} devices`,
    Number.isInteger(rest)
      ? `use ${printLayout({ ...layout, dp: rest })}`
      : `use axes whose product is ${cluster.devices}`,
  );
}
