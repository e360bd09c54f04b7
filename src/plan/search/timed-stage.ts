// The chunks of a stage on the kind of device that its ranks wait for.
import { layerLike, type ModelConfig } from '../../model/config.ts';
import type { Part } from '../../model/params.ts';
import type { Device } from '../hardware/device.ts';
import type { ChunkRange } from './cut-plan.ts';
import type { Chunk, KnownKind } from './known-kind.ts';

/** A stage's chunks on the kind that the others of the stage wait for. */
export interface TimedStage {
  readonly device: Device;
  readonly chunks: readonly Chunk[];
}

/** The kind whose first chunk takes longest, as predictions have it. */
export function slowest(
  ranges: readonly ChunkRange[],
  kinds: readonly Device[],
  known: (device: Device) => KnownKind,
): TimedStage {
  const all = kinds.map(
    (device): TimedStage => ({ device, chunks: ranges.map((range) => known(device).chunk(range)) }),
  );
  const passes = ({ chunks: [first] }: TimedStage): number => first!.forward + first!.backward;
  return all.reduce((most, each) => (passes(each) > passes(most) ? each : most));
}

/** Parts of a chunk; of layers that are built alike the first. */
export function partsIn(config: ModelConfig, { first, end, isFirst, isLast }: ChunkRange): Part[] {
  const blocks = Array.from(
    { length: end - first },
    (_, i): Part => ({ name: 'block', layer: layerLike(config, first + i) }),
  );
  return [
    ...(isFirst ? [{ name: 'embedding', layer: 0 } as const] : []),
    ...blocks,
    ...(isLast ? [{ name: 'head', layer: 0 } as const] : []),
  ];
}
