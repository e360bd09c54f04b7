// Between a checkpoint's tensors and a rank's shards of parameters.
import { fail } from '../errors.ts';
import type { Layout } from '../mesh/layout.ts';
import type { Coords } from '../mesh/mesh.ts';
import { type ParamSpec, shardRanges } from '../model/params.ts';
import type { FloatArray } from './dtypes.ts';
import { everyPiece } from './files.ts';
import type { Checkpoint } from './hf-directory.ts';
import type { Range } from './ranges.ts';

/** The part of the checkpoint tensor that a rank's shard holds. */
export function tensorRanges(spec: ParamSpec, layout: Layout, coords: Coords): Range[] {
  return shardRanges(spec, layout, coords).map(([start, end], dim) => {
    const shift = spec.piece?.dim === dim ? spec.piece.start : 0;
    return [start + shift, end + shift] as const;
  });
}

/** The front of a shard that is stored; what follows pads the vocabulary. */
export function storedPart<T extends FloatArray>(shard: T, spec: ParamSpec, layout: Layout, coords: Coords): T {
  const count = shardRanges(spec, layout, coords).reduce((product, [start, end]) => product * (end - start), 1);
  return shard.subarray(0, count) as T;
}

/**
 * Reads a rank's shard, only the bytes it needs; CHECKPOINT_MISMATCH when the tensor is absent or of another shape. `onPiece` is
 * called for every 64 MB, so that whoever waits knows that it goes on.
 */
export function readShard(
  checkpoint: Checkpoint,
  spec: ParamSpec,
  shard: FloatArray,
  layout: Layout,
  coords: Coords,
  onPiece?: () => void,
): void {
  const tensor = checkpoint.find(spec.tensor.name);
  const fix = 'use the config.json that belongs to these weights';
  if (!tensor)
    fail('CHECKPOINT_MISMATCH', { path: checkpoint.path, problem: `it has no tensor ${spec.tensor.name}`, fix });
  if (tensor.shape.join() !== spec.tensor.shape.join())
    fail('CHECKPOINT_MISMATCH', {
      path: checkpoint.path,
      problem: `${spec.tensor.name} has shape [${tensor.shape.join(', ')}] where the model needs [${spec.tensor.shape.join(', ')}]`,
      fix,
    });
  shard.fill(0);
  const stored = storedPart(shard, spec, layout, coords);
  if (stored.length > 0)
    checkpoint.read(spec.tensor.name, tensorRanges(spec, layout, coords), stored, everyPiece(onPiece));
}
