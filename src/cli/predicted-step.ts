// How long a step of a run takes on this machine, where it was measured (`calibrate --local`).
import { worldSize } from '../mesh/mesh.ts';
import { fittedCosts } from '../plan/cost/fitted-costs.ts';
import { measuredCluster } from '../plan/hardware/measured-cluster.ts';
import { ownRuntime } from '../plan/software/software.ts';
import { predictTraining } from '../plan/training/predict-training.ts';
import { mixedPrecision } from '../plan/training/scenario.ts';
import type { StepSettings } from '../step/settings.ts';
import { lastMeasured } from './machine-file.ts';

/**
 * Seconds; undefined where the machine was not measured, where ranks share cores, and for what predictions do not know: double precision, ranks that
 * are not alike, packed documents, pairs, replicas that take steps of their own.
 */
export function predictedStep(settings: StepSettings): number | undefined {
  const { config, layout, seqLen, microBatch, microbatches, router, precision } = settings;
  const { speeds, shares, packed, preference, outer } = settings;
  if (precision !== 'f32' || speeds || shares || packed || preference || outer) return undefined;
  const machine = lastMeasured();
  const ranks = worldSize(layout);
  if (!machine || ranks > machine.cores) return undefined;
  return predictTraining(
    {
      ...{ config, layout, seqLen, microBatch, microbatches },
      ...(router ? { router } : {}),
      cluster: measuredCluster(machine, ranks),
      formats: mixedPrecision('fp32'),
      software: ownRuntime,
    },
    fittedCosts,
  ).stepSeconds;
}
