// One rank's part of a save: writes slices of tensors into the files of the step, which all ranks share.
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '../errors.ts';
import { dtypeBytes, type FloatArray, sameBytes } from './dtypes.ts';
import { encodeBF16, firstPast } from './encode.ts';
import { bytesUnder, everyPiece, type OnMoved, writeAt } from './files.ts';
import { readIndex } from './index-file.ts';
import { committedFiles, saveFailed, saving } from './out-files.ts';
import { type CheckpointPlan, fileName, type PlannedTensor, type SavedDtype, saveTag } from './plan.ts';
import { forEachRun, type Range, rangeElements, rangesProblem } from './ranges.ts';
import { stagingBytes } from './safetensors.ts';

export interface CheckpointWriter {
  /**
   * Writes `data`, row-major, to `ranges` of a tensor. Numbers are converted to the planned dtype. Slices of different ranks must
   * not overlap, unless with the same numbers.
   * @throws SAVE_FAILED, after which the files are closed
   */
  writeSlice(name: string, ranges: readonly Range[], data: FloatArray): void;
  /** Flushes what was written to the disk and closes the files. */
  finish(): void;
}

/**
 * Opens the files of a step to write this rank's shards. Call it on every rank after rank 0's `beginSave` (a barrier between), and
 * `finish` before rank 0's `commitSave` (another barrier). `onPiece` is called for every 64 MB and before every file that is flushed.
 */
export function openWriter(out: string, plan: CheckpointPlan, step: number, onPiece?: () => void): CheckpointWriter {
  const tag = saving(out, step, () => saveTag(step, committedFiles(readIndex(out))));
  const open = new Map<number, number>();
  const onMoved = everyPiece(onPiece);

  function fdOf(file: number): number {
    const fd = open.get(file) ?? openSync(join(out, fileName(plan.files[file]!, tag)), 'r+');
    open.set(file, fd);
    return fd;
  }

  /** However it ends, no file stays open. */
  function guarded(act: () => void): void {
    let whole = false;
    try {
      saving(out, step, act);
      whole = true;
    } finally {
      if (!whole) for (const fd of open.values()) closeSync(fd);
      if (!whole) open.clear();
    }
  }

  return {
    writeSlice(name, ranges, data) {
      guarded(() => {
        const tensor = plan.tensors.get(name);
        const problem = tensor ? sliceProblem(tensor, ranges, data) : 'it is not in the plan';
        if (!tensor || problem)
          return fail('CHECKPOINT_MISMATCH', {
            path: out,
            problem: `tensor ${name}: ${problem}`,
            fix: 'plan it first',
          });
        const past = sameBytes(tensor.dtype, data) ? -1 : firstPast(tensor.dtype, data);
        if (past >= 0) {
          const what = `${name} holds ${data[past]}, which is past the largest ${tensor.dtype} number`;
          return saveFailed(out, step, what, 'give the weights a wider type');
        }
        writeRuns(fdOf(tensor.file), tensor, ranges, data, onMoved);
      });
    },
    finish: () =>
      guarded(() => {
        for (const [file, fd] of open) {
          onPiece?.();
          fsyncSync(fd);
          open.delete(file);
          closeSync(fd);
        }
      }),
  };
}

function sliceProblem(tensor: PlannedTensor, ranges: readonly Range[], data: FloatArray): string | undefined {
  const problem = rangesProblem(tensor.shape, ranges);
  if (problem) return problem;
  const wanted = rangeElements(ranges);
  return wanted === data.length ? undefined : `a slice of ${wanted} numbers was given ${data.length}`;
}

// Nothing between the runs of a strided slice may be written: it belongs to other ranks. So it is one call a run.
function writeRuns(
  fd: number,
  tensor: PlannedTensor,
  ranges: readonly Range[],
  data: FloatArray,
  onMoved: OnMoved | undefined,
): void {
  const { dtype, shape, begin } = tensor;
  const size = dtypeBytes[dtype];
  if (sameBytes(dtype, data)) {
    const bytes = bytesUnder(data);
    forEachRun(shape, ranges, (start, at, count) => {
      writeAt(fd, bytes.subarray(at * size, (at + count) * size), begin + start * size, onMoved);
    });
    return;
  }
  const piece = stagingBytes / size;
  const encode = encoderOf(dtype, Math.min(piece, data.length));
  forEachRun(shape, ranges, (start, at, count) => {
    for (let done = 0; done < count; done += piece) {
      const length = Math.min(piece, count - done);
      const encoded = encode(data.subarray(at + done, at + done + length));
      writeAt(fd, bytesUnder(encoded), begin + (start + done) * size, onMoved);
    }
  });
}

/** Converts at most `room` numbers at a time, in memory of its own. */
function encoderOf(dtype: SavedDtype, room: number): (values: FloatArray) => ArrayBufferView {
  if (dtype === 'BF16') {
    const halves = new Uint16Array(room);
    return (values) => {
      encodeBF16(values, halves);
      return halves.subarray(0, values.length);
    };
  }
  const staging = dtype === 'F32' ? new Float32Array(room) : new Float64Array(room);
  return (values) => {
    staging.set(values);
    return staging.subarray(0, values.length);
  };
}
