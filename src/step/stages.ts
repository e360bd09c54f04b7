// What the stages of a pipeline are made of, and which parameters the first and the last one share.
import { type Layout, stageLayers } from '../mesh/layout.ts';
import { type Group, groupOf } from '../mesh/mesh.ts';
import type { ModelConfig } from '../model/config.ts';
import type { ParamSpec, Part } from '../model/params.ts';
import type { Place } from './step.ts';

/** The parts of a stage, in order. */
export function stageParts(config: ModelConfig, layout: Layout, stage: number): Part[] {
  const [first, end] = stageLayers(layout, config.layers)[stage]!;
  const blocks = Array.from({ length: end - first }, (_, index): Part => ({ name: 'block', layer: first + index }));
  return [
    ...(stage === 0 ? [{ name: 'embedding', layer: 0 } as const] : []),
    ...blocks,
    ...(stage === layout.pp - 1 ? [{ name: 'head', layer: 0 } as const] : []),
  ];
}

/** The embedding and the head name themselves where they are traced. */
export const placeOf = (part: Part): Place =>
  part.name === 'block' ? { site: `block ${part.layer}`, layer: part.layer } : { site: '' };

/** Gradients summed over the pipeline too: the parameters that the first and the last stage both hold. */
export const isTiedAcrossStages = (config: ModelConfig, layout: Layout, spec: ParamSpec): boolean =>
  config.tiedHead && layout.pp > 1 && (spec.key === 'table.weight' || spec.key === 'head.weight');

/** The first and the last stage at this rank's other coordinates. */
export function tiedGroup(layout: Layout, rank: number): Group {
  const { ranks } = groupOf(layout, rank, 'pp');
  return { axis: 'pp', ranks: [ranks[0]!, ranks[ranks.length - 1]!] };
}
