// What the layers of a model and its head cost to train on, found from the program itself: attention, experts and what is computed anew
// are all in it.
import { oneRank } from '../mesh/layout.ts';
import { alikeReplicas, type StepSettings } from '../step/settings.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { flopsOf } from './predict-step.ts';
import type { StageWork } from './stage-sizes.ts';

/** FLOPs of a microbatch on one rank of a stage, forward and backward. */
export function stageWork(settings: StepSettings): StageWork {
  const { stages: _, scheduleFile: __, ...layout } = settings.layout;
  const whole = { ...layout, pp: 1, virtual: 1, dp: 1, zero: oneRank.zero, schedule: oneRank.schedule };
  const program = buildTrainingStep({ ...alikeReplicas(settings), layout: whole, microbatches: 1 }, 0);
  const layers = Array.from({ length: settings.config.layers }, () => 0);
  let head = 0;
  for (const instruction of program.instructions) {
    const flops = flopsOf(instruction, program);
    if (instruction.layer === undefined) head += flops;
    else layers[instruction.layer]! += flops;
  }
  return { layers, head };
}
