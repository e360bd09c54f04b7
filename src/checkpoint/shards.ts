// Between a checkpoint's tensors and the boxes of parameters that a rank holds.
import { fail } from '../errors.ts';
import type { ParamSpec } from '../model/params.ts';
import type { DimRange } from '../state/pieces.ts';
import type { FloatArray } from './dtypes.ts';
import { everyPiece } from './files.ts';
import type { Checkpoint } from './hf-directory.ts';
import type { Range } from './ranges.ts';

/** The part of the checkpoint tensor that a box of a parameter is. */
export const tensorRanges = (spec: ParamSpec, ranges: readonly DimRange[]): Range[] =>
  ranges.map(([start, end], dim) => {
    const shift = spec.piece?.dim === dim ? spec.piece.start : 0;
    return [start + shift, end + shift] as const;
  });

/**
 * Reads a box of a parameter, only the bytes it needs; CHECKPOINT_MISMATCH when the tensor is absent or of another shape. `onPiece`
 * is called for every 64 MB, so that whoever waits knows that it goes on.
 */
export function readBox(
  checkpoint: Checkpoint,
  spec: ParamSpec,
  ranges: readonly DimRange[],
  into: FloatArray,
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
  checkpoint.read(spec.tensor.name, tensorRanges(spec, ranges), into, everyPiece(onPiece));
}
