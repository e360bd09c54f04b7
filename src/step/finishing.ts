// What follows the microbatches of a step: gradients are completed by their type, the loss and the gradients' norm over all ranks.
import { coordsOf, type Group, groupOf } from '../mesh/mesh.ts';
import { paramTypes } from '../model/params.ts';
import { dual, typedAxes } from '../program/types.ts';
import type { ProgramBuilder } from './program-builder.ts';
import type { StepSettings } from './settings.ts';
import { isTiedAcrossStages, tiedGroup } from './stages.ts';
import type { HeldParam } from './step.ts';

/** Emits a sum over a group, in place. */
function sumOver(builder: ProgramBuilder, group: Group, buffer: number, site: string): void {
  builder.emit({ kind: 'allReduce', group, input: buffer, output: buffer, reduce: 'sum', site, phase: 'finish' });
}

/** A gradient still partial on an axis is summed over it; a tied one over the two stages that hold it. */
export function finishGradients(
  builder: ProgramBuilder,
  { config, layout }: StepSettings,
  rank: number,
  params: readonly HeldParam[],
): void {
  for (const { spec, gradient } of params)
    for (const axis of typedAxes) {
      const type = paramTypes(spec)[axis];
      if (layout[axis] === 1 || type === undefined || dual(type) !== 'P') continue;
      sumOver(builder, groupOf(layout, rank, axis), gradient, `gradient of ${spec.name}`);
    }
  for (const { spec, gradient } of params)
    if (isTiedAcrossStages(config, layout, spec))
      sumOver(builder, tiedGroup(layout, rank), gradient, `gradient of tied ${spec.name}`);
}

/** The mean loss on every rank, and the gradients' global norm: every parameter's square counted once over tp and pp. */
export function finishScalars(
  builder: ProgramBuilder,
  { config, layout }: StepSettings,
  rank: number,
  params: readonly HeldParam[],
  { loss, squaredNorm }: { loss: number; squaredNorm: number },
): void {
  const coords = coordsOf(layout, rank);
  const counted = params.filter(({ spec }) => {
    const onTp = spec.tp.startsWith('V') || coords.tp === 0;
    const onPp = !isTiedAcrossStages(config, layout, spec) || coords.pp === 0;
    return onTp && onPp;
  });
  builder.emit({
    kind: 'sumSquares',
    buffers: counted.map(({ gradient }) => gradient),
    output: squaredNorm,
    site: 'gradient norm',
    phase: 'finish',
  });
  const reduce = (buffer: number, axis: 'tp' | 'dp' | 'pp', site: string) => {
    if (layout[axis] > 1) sumOver(builder, groupOf(layout, rank, axis), buffer, site);
  };
  reduce(squaredNorm, 'tp', 'gradient norm');
  reduce(squaredNorm, 'pp', 'gradient norm');
  reduce(loss, 'dp', 'loss');
  reduce(loss, 'pp', 'loss');
}
