// Between a checkpoint's tensors and the boxes of parameters that a rank holds.
import { fail } from '../errors.ts';
import type { ParamSpec } from '../model/params.ts';
import type { DimRange } from '../state/pieces.ts';
import type { FloatArray } from './dtypes.ts';
import { everyPiece } from './files.ts';
import type { Checkpoint } from './hf-directory.ts';
import { type Range, rangeElements } from './ranges.ts';

/** A tensor of a checkpoint, whole. */
export type StoredTensor = ParamSpec['tensor'];

/** A part of a box of a parameter: where it is stored, and which of the box's numbers it is. */
export interface StoredBox {
  readonly tensor: StoredTensor;
  readonly ranges: readonly Range[];
  readonly start: number;
  readonly end: number;
}

/** The tensors that make up a parameter's: one, or one for each index of its first dim. */
export function storedTensors({ tensor, shape }: ParamSpec): StoredTensor[] {
  if (!isSpread(tensor)) return [tensor];
  return Array.from({ length: shape[0]! }, (_, index) => at(tensor, index));
}

/** Where a box of a parameter is stored. */
export function storedBoxes(spec: ParamSpec, ranges: readonly DimRange[]): StoredBox[] {
  const { tensor, piece } = spec;
  if (!isSpread(tensor)) {
    const shifted = ranges.map(([start, end], dim): Range => {
      const shift = piece?.dim === dim ? piece.start : 0;
      return [start + shift, end + shift];
    });
    return [{ tensor, ranges: shifted, start: 0, end: rangeElements(ranges) }];
  }
  const [[first, last], ...others] = ranges as [DimRange, ...DimRange[]];
  const size = rangeElements(others);
  return Array.from({ length: last - first }, (_, index) => ({
    tensor: at(tensor, first + index),
    ranges: others,
    start: index * size,
    end: (index + 1) * size,
  }));
}

const isSpread = ({ name }: StoredTensor): boolean => name.includes('{}');
const at = ({ name, shape }: StoredTensor, index: number): StoredTensor => ({
  name: name.replace('{}', `${index}`),
  shape,
});

/**
 * Reads a box of a parameter, only the bytes it needs; CHECKPOINT_MISMATCH when a tensor is absent or of another shape. `onPiece`
 * is called for every 64 MB, so that whoever waits knows that it goes on.
 */
export function readBox(
  checkpoint: Checkpoint,
  spec: ParamSpec,
  ranges: readonly DimRange[],
  into: FloatArray,
  onPiece?: () => void,
): void {
  for (const { tensor, ranges: own, start, end } of storedBoxes(spec, ranges)) {
    expectStored(checkpoint, tensor);
    checkpoint.read(tensor.name, own, into.subarray(start, end), everyPiece(onPiece));
  }
}

function expectStored(checkpoint: Checkpoint, { name, shape }: StoredTensor): void {
  const found = checkpoint.find(name)?.shape;
  if (found?.join() === shape.join()) return;
  fail('CHECKPOINT_MISMATCH', {
    path: checkpoint.path,
    problem: found
      ? `${name} has shape [${found.join(', ')}] where the model needs [${shape.join(', ')}]`
      : `it has no tensor ${name}`,
    fix: 'use the config.json that belongs to these weights',
  });
}
