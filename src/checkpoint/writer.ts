// One rank's part of a save: writes slices of tensors into the files of the step, which all ranks share.
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../errors.ts';
import { dtypeBytes, type FloatArray, sameBytes } from './dtypes.ts';
import { bytesOf, writeAt } from './files.ts';
import { readIndex } from './index-file.ts';
import { committedFiles, writingTo } from './out-directory.ts';
import { type CheckpointPlan, fileName, type PlannedTensor, saveTag } from './plan.ts';
import { forEachRun, type Range, rangeElements, rangesProblem } from './ranges.ts';
import { stagingBytes } from './safetensors.ts';

export interface CheckpointWriter {
  /**
   * Writes `data`, row-major, to `ranges` of a tensor. Numbers are converted to the planned dtype. Slices of different ranks must
   * not overlap, unless with the same numbers.
   * @throws OUT_UNWRITABLE, CHECKPOINT_MISMATCH if the tensor or slice is not in the plan.
   */
  writeSlice(name: string, ranges: readonly Range[], data: FloatArray): void;
  /** Flushes what was written to the disk and closes the files. */
  finish(): void;
  /** Closes the files of a save that is given up. */
  abandon(): void;
}

/**
 * Opens the files of a step to write this rank's shards. Call it on every rank after rank 0's `beginSave` (a barrier between), and
 * `finish` before rank 0's `commitSave` (another barrier).
 */
export function openWriter(out: string, plan: CheckpointPlan, step: number): CheckpointWriter {
  const tag = writingTo(out, () => saveTag(step, committedFiles(readIndex(out))));
  const open = new Map<number, number>();

  function fdOf(file: number): number {
    const fd = open.get(file) ?? openSync(join(out, fileName(plan.files[file]!, tag)), 'r+');
    open.set(file, fd);
    return fd;
  }

  function close(flush: boolean): void {
    for (const [file, fd] of open) {
      open.delete(file);
      try {
        if (flush) fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    }
  }

  return {
    writeSlice(name, ranges, data) {
      const tensor = plan.tensors.get(name);
      const problem = tensor ? sliceProblem(tensor, ranges, data) : 'it is not in the plan';
      if (!tensor || problem) {
        return fail('CHECKPOINT_MISMATCH', { path: out, problem: `tensor ${name}: ${problem}`, fix: 'plan it first' });
      }
      writingTo(out, () => writeRuns(fdOf(tensor.file), tensor, ranges, data));
    },
    finish: () => writingTo(out, () => close(true)),
    abandon: () => close(false),
  };
}

function sliceProblem(tensor: PlannedTensor, ranges: readonly Range[], data: FloatArray): string | undefined {
  const problem = rangesProblem(tensor.shape, ranges);
  if (problem) return problem;
  const wanted = rangeElements(ranges);
  return wanted === data.length ? undefined : `a slice of ${wanted} numbers was given ${data.length}`;
}

// Nothing between the runs of a strided slice may be written: it belongs to other ranks. So it is one call a run.
function writeRuns(fd: number, tensor: PlannedTensor, ranges: readonly Range[], data: FloatArray): void {
  const { dtype, shape, begin } = tensor;
  const size = dtypeBytes[dtype];
  if (sameBytes(dtype, data)) {
    const bytes = bytesOf(data);
    forEachRun(shape, ranges, (start, at, count) => {
      writeAt(fd, bytes.subarray(at * size, (at + count) * size), begin + start * size);
    });
    return;
  }
  const piece = stagingBytes / size;
  const room = Math.min(piece, data.length);
  const staging = dtype === 'F32' ? new Float32Array(room) : new Float64Array(room);
  forEachRun(shape, ranges, (start, at, count) => {
    for (let done = 0; done < count; done += piece) {
      const length = Math.min(piece, count - done);
      staging.set(data.subarray(at + done, at + done + length));
      writeAt(fd, bytesOf(staging.subarray(0, length)), begin + (start + done) * size);
    }
  });
}
