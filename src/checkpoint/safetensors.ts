// One .safetensors file: opened and checked, then read slice by slice, touching only the bytes each slice needs.
import { closeSync, fstatSync } from 'node:fs';
import { fail } from '../errors.ts';
import { openRegular, type Refusal } from '../files/regular-file.ts';
import { errorCode, reasonOf } from '../files/system-errors.ts';
import { broken } from './broken.ts';
import { decode, firstNonFinite } from './decode.ts';
import {
  arrayKind,
  dtypeBytes,
  isReadable,
  type ReadableDtype,
  readableDtypes,
  sameBytes,
  type TensorArray,
} from './dtypes.ts';
import { bytesUnder, type OnMoved, readAt } from './files.ts';
import { headerLength, parseHeader, type TensorInfo } from './header.ts';
import { forEachRun, indexInTensor, type Range, rangeElements, rangesProblem } from './ranges.ts';

export interface SafetensorsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /**
   * Reads `ranges` of a tensor into the whole of `out`, row-major. F64, F32, F16 and BF16 go into Float32Array or Float64Array,
   * I64 into BigInt64Array, I32 into Int32Array. `onMoved` hears of every read from the disk.
   * @throws CHECKPOINT_MISMATCH for an unknown name, a range outside of the shape, or an `out` of another length or kind;
   * CHECKPOINT_BROKEN for NaN and infinities, and when the file has become shorter.
   */
  readSlice(name: string, ranges: readonly Range[], out: TensorArray, onMoved?: OnMoved): void;
  close(): void;
}

/** Runs closer than this are read in one call: a disk reads whole pages anyway. */
export const maxGapBytes = 4096;
/** The most that is read before it is converted; small enough to stay in a core's cache. */
export const stagingBytes = 1 << 18;

/**
 * Opens a file and checks its header.
 * @throws CHECKPOINT_MISSING if it cannot be opened, CHECKPOINT_BROKEN if it is not a whole safetensors file.
 */
export function openSafetensors(path: string): SafetensorsFile {
  const fd = openRegular(path, (refusal) => missing(path, refusal));
  let tensors: ReadonlyMap<string, TensorInfo>;
  try {
    const fileBytes = fstatSync(fd).size;
    const first = Buffer.alloc(8);
    readAt(fd, first, 0);
    const json = Buffer.alloc(headerLength(path, first, fileBytes));
    readAt(fd, json, 8);
    tensors = parseHeader(path, json, fileBytes);
  } catch (error) {
    closeSync(fd);
    const code = errorCode(error);
    if (code) missing(path, { problem: reasonOf(code), code });
    throw error;
  }
  function read(bytes: Uint8Array, position: number, onMoved?: OnMoved): void {
    const got = readAt(fd, bytes, position, onMoved);
    if (got < bytes.length) broken(path, `it ends at byte ${position + got}, shorter than when it was opened`);
  }

  return {
    path,
    tensors,
    readSlice(name, ranges, out, onMoved) {
      const tensor = tensors.get(name);
      if (!tensor) return mismatch(path, `it has no tensor ${name}`, `it has ${[...tensors.keys()].slice(0, 3)}, ...`);
      const dtype = checkedDtype(path, tensor, ranges, out);
      readRuns(
        (bytes, position) => read(bytes, position, onMoved),
        tensor,
        dtype,
        ranges,
        out,
        (at, count) => checkFinite(path, tensor, ranges, out, at, count),
      );
    },
    close: () => closeSync(fd),
  };
}

type ReadBytes = (bytes: Uint8Array, position: number) => void;

// Runs gather in a window until a gap or the window's size ends it. A window of one run whose bytes need no conversion is read
// straight into `out`; any other goes through a staging buffer.
function readRuns(
  read: ReadBytes,
  tensor: TensorInfo,
  dtype: ReadableDtype,
  ranges: readonly Range[],
  out: TensorArray,
  check: (at: number, count: number) => void,
): void {
  const size = dtypeBytes[dtype];
  const direct = sameBytes(dtype, out) ? bytesUnder(out) : undefined;
  let staging: ArrayBuffer | undefined;
  let runs: { start: number; at: number; count: number }[] = [];
  let windowStart = 0;
  let windowEnd = 0;

  function flush(): void {
    const [only] = runs;
    if (!only) return;
    const position = tensor.begin + windowStart * size;
    if (direct && runs.length === 1) {
      read(direct.subarray(only.at * size, (only.at + only.count) * size), position);
    } else {
      staging ??= new ArrayBuffer(Math.min(stagingBytes, tensor.bytes));
      read(new Uint8Array(staging, 0, (windowEnd - windowStart) * size), position);
      for (const { start, at, count } of runs) decode(dtype, staging, (start - windowStart) * size, out, at, count);
    }
    // Checked here, while the numbers are still in the cache.
    for (const { at, count } of runs) check(at, count);
    runs = [];
  }

  function add(start: number, at: number, count: number): void {
    const fits = (start + count - windowStart) * size <= stagingBytes;
    if (!fits || (start - windowEnd) * size > maxGapBytes) flush();
    if (runs.length === 0) windowStart = start;
    windowEnd = start + count;
    runs.push({ start, at, count });
  }

  const piece = stagingBytes / size;
  forEachRun(tensor.shape, ranges, (start, at, count) => {
    for (let done = 0; done < count; done += piece) add(start + done, at + done, Math.min(piece, count - done));
  });
  flush();
}

function checkedDtype(path: string, tensor: TensorInfo, ranges: readonly Range[], out: TensorArray): ReadableDtype {
  const { name, dtype, shape } = tensor;
  if (!isReadable(dtype)) {
    return mismatch(
      path,
      `tensor ${name} is ${dtype}`,
      `convert it to one of ${Object.keys(readableDtypes).join(', ')}`,
    );
  }
  const kinds: readonly string[] = readableDtypes[dtype];
  if (!kinds.includes(arrayKind(out))) {
    mismatch(path, `tensor ${name} is ${dtype} and was read as ${arrayKind(out)}`, `read it as ${kinds.join(' or ')}`);
  }
  const problem = rangesProblem(shape, ranges);
  if (problem) mismatch(path, `tensor ${name}: ${problem}`, `its shape is [${shape}]`);
  if (out.length !== rangeElements(ranges)) {
    mismatch(path, `tensor ${name}: a slice of ${rangeElements(ranges)} numbers`, `got room for ${out.length}`);
  }
  return dtype;
}

function checkFinite(
  path: string,
  { name, dtype }: TensorInfo,
  ranges: readonly Range[],
  out: TensorArray,
  start: number,
  count: number,
): void {
  if (out instanceof BigInt64Array || out instanceof Int32Array) return;
  const at = firstNonFinite(out, start, start + count);
  if (at < 0) return;
  const where = `tensor ${name} holds ${out[at]} at [${indexInTensor(ranges, at)}]`;
  if (dtype === 'F64' && out instanceof Float32Array) broken(path, where, 'use finite weights within the range of f32');
  broken(path, where, 'the weights diverged or were damaged; use an earlier checkpoint');
}

function missing(path: string, { problem, fix }: Refusal): never {
  return fail('CHECKPOINT_MISSING', { path, problem, fix: fix ?? 'give a readable .safetensors file' });
}

function mismatch(path: string, problem: string, fix: string): never {
  return fail('CHECKPOINT_MISMATCH', { path, problem, fix });
}
