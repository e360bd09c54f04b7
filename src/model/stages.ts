// What the stages of a pipeline are made of, and which parameters the first and the last one share.
import { type Layout, virtualLayers } from '../mesh/layout.ts';
import { type Group, groupOf, type Mesh } from '../mesh/mesh.ts';
import type { ModelConfig } from './config.ts';
import type { ParamSpec, Part } from './params.ts';

/** The parts of a stage's chunk, in order. */
export function chunkParts(config: ModelConfig, layout: Layout, stage: number, chunk: number): Part[] {
  const virtual = chunk * layout.pp + stage;
  const layers = virtualLayers(layout, config.layers);
  const [first, end] = layers[virtual]!;
  const blocks = Array.from({ length: end - first }, (_, index): Part => ({ name: 'block', layer: first + index }));
  return [
    ...(virtual === 0 ? [{ name: 'embedding', layer: 0 } as const] : []),
    ...blocks,
    ...(virtual === layers.length - 1 ? [{ name: 'head', layer: 0 } as const] : []),
  ];
}

/** The parts of all chunks of a stage. */
export const stageParts = (config: ModelConfig, layout: Layout, stage: number): Part[] =>
  Array.from({ length: layout.virtual }, (_, chunk) => chunkParts(config, layout, stage, chunk)).flat();

/** The one parameter that the embedding and the head have between them. */
export const isTied = (config: ModelConfig, { key }: Pick<ParamSpec, 'key'>): boolean =>
  config.tiedHead && (key === 'table.weight' || key === 'head.weight');

/** The embedding and the head are on different ranks: with dualpipe the first and the last stage have both. */
export const hasEndsApart = ({ pp, schedule }: Pick<Layout, 'pp' | 'schedule'>): boolean =>
  pp > 1 && schedule !== 'dualpipe';

/** It is held by the first and the last stage. */
export const isOnBothEnds = (config: ModelConfig, layout: Layout, spec: ParamSpec): boolean =>
  hasEndsApart(layout) && isTied(config, spec);

/** The first and the last stage at this rank's other coordinates. */
export function endsGroup(mesh: Mesh, rank: number): Group {
  const { ranks } = groupOf(mesh, rank, 'pp');
  return { axis: 'pp', ranks: [ranks[0]!, ranks[ranks.length - 1]!] };
}
