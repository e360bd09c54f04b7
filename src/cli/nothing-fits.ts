// Why a search found nothing, and what would be found: no layout divides, or none fits.
import { memory, option } from '../errors.ts';
import { kindsOf, withMemory } from '../plan/hardware/kinds.ts';
import { givingOf } from '../plan/search/ease.ts';
import { bestLayouts } from '../plan/search/search.ts';
import { gridsOf, replicaCounts } from '../plan/search/space.ts';
import type { SearchTask } from '../plan/search/task.ts';
import type { CostModel } from '../plan/training/costs.ts';
import { usableBytes } from '../plan/training/fits.ts';
import { layoutName } from '../plan/training/offload.ts';
import { predictTraining } from '../plan/training/predict-training.ts';
import { refuse } from '../train/refuse.ts';

/** @throws OPTION_INVALID in any case */
export function refuseNothingFits(task: SearchTask, model: CostModel): never {
  const { cluster, globalBatch } = task;
  if (gridsOf(task).length === 0) {
    const batch = nearestBatch(task);
    refuse(
      'globalBatch',
      `no layout of ${cluster.devices} devices divides the model and ${globalBatch} sequences`,
      batch === undefined
        ? 'use another number of devices: heads, widths and layers have to divide over them'
        : `use ${option('globalBatch')} ${batch}`,
    );
  }
  // The one that holds least, on devices of any size.
  const large = { ...task, cluster: withMemory(cluster, () => 2 ** 52) };
  const { found } = bestLayouts(large, model, { objective: 'memory', top: 1 });
  const [least] = found;
  const smallest = kindsOf(cluster).reduce((least, each) => (usableBytes(each) < usableBytes(least) ? each : least));
  const usable = usableBytes(smallest);
  const { scenario } = least!;
  // What may wait on the hosts does, where nobody said what.
  const { optimizer, activations } = givingOf(task, true);
  const away = task.offload ? {} : { offload: { optimizer, activations: activations ? 1 : 0 } };
  const { memory: held, host } = predictTraining({ ...scenario, ...away, cluster }, model);
  const needed = held.total;
  if (needed <= usable && host)
    refuse(
      'cluster',
      `the model fits in no layout of ${cluster.name}: ${layoutName({ ...scenario, ...away })} needs ${memory(host.bytes)} of the host's memory a device and ${memory(host.room)} are there`,
      `use hosts of ${memory(Math.ceil(host.bytes) * cluster.host!.devices)}, or more devices`,
    );
  refuse(
    'cluster',
    `the model fits in no layout of ${cluster.name}: ${layoutName({ ...scenario, ...away })}, which holds least, needs ${memory(needed)} a device and ${memory(usable)} are there, ${memory(needed - usable)} too few`,
    `use about ${Math.ceil((cluster.devices * needed) / usable)} devices, or devices of ${memory(needed + smallest.memoryBytes - usable)}${offloadText(task, model)}`,
  );
}

/** Where it was said what is on the hosts, more may be. */
function offloadText({ offload, ...task }: SearchTask, model: CostModel): string {
  if (!offload || !task.cluster.host) return '';
  const { found } = bestLayouts(task, model, { objective: 'time', top: 1 });
  return found.length > 0 ? `, or leave ${option('offload')} out` : '';
}

/** The nearest number of sequences that some layout divides; undefined: no layout divides the model over the devices. */
function nearestBatch(task: SearchTask): number | undefined {
  const batches = replicaCounts(task).map((count) => Math.max(1, Math.round(task.globalBatch / count)) * count);
  const away = (batch: number) => Math.abs(batch - task.globalBatch);
  return batches.length === 0 ? undefined : batches.reduce((best, each) => (away(each) < away(best) ? each : best));
}
