// AdamW, sums of squares and normal numbers: vectors pass through a small Wasm memory that stays in the cache; AdamW's in registered
// memory are worked on where they lie.
import { Buffer } from 'node:buffer';
import type { AdamwArguments, Floats } from './local-kernels.ts';
import { instantiate, loadKernel, memoryOf, pageBytes, type SharedWasmMemory, sharedMemory } from './wasm.ts';

type AdamwKernel = (p: number, g: number, m: number, v: number, n: number, ...settings: number[]) => void;
type SumKernel = (a: number, n: number) => number;
type NormalKernel = (out: number, n: number, start: number, keyLow: number, keyHigh: number, std: number) => void;

interface LocalExports {
  readonly adamwF32: AdamwKernel;
  readonly adamwF64: AdamwKernel;
  readonly sumSquaresF32: SumKernel;
  readonly sumSquaresF64: SumKernel;
  readonly normalFillF32: NormalKernel;
  readonly normalFillF64: NormalKernel;
  readonly philoxWords: (out: number, c0: number, c1: number, c2: number, c3: number, k0: number, k1: number) => void;
}

/** Bytes of one operand that are worked on at a time. */
const chunkBytes = 32 * 1024;
/** The module's own constants lie in the first page. */
const scratchAt = pageBytes;

/** Operand i of a chunk; a little apart from powers of two, so that operands do not compete for one cache set. */
const operandAt = (i: number): number => scratchAt + i * (chunkBytes + 320);

const memory = sharedMemory(operandAt(4));
const module = loadKernel('local');
const kernels = instantiate<LocalExports>(module, memory);
const scratch = Buffer.from(memory.buffer);

const inPlace = new WeakMap<SharedWasmMemory, LocalExports>();

/** The kernels in the memory in which these vectors lie, if kernels can work there. */
function kernelsUnder(...vectors: readonly Floats[]): LocalExports | undefined {
  const under = memoryOf(...vectors);
  if (!under) return undefined;
  const known = inPlace.get(under) ?? instantiate<LocalExports>(module, under);
  inPlace.set(under, known);
  return known;
}

/** Calls `work` for every part of a vector that fits the scratch memory. */
function eachScratchful(vector: Floats, work: (start: number, count: number) => void): void {
  const most = chunkBytes / vector.BYTES_PER_ELEMENT;
  for (let start = 0; start < vector.length; start += most) work(start, Math.min(most, vector.length - start));
}

function toScratch(operand: number, from: Floats, start: number, count: number): void {
  const width = from.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(from.buffer, from.byteOffset + start * width, count * width);
  // One memcpy, see transport/threads/shared-bytes.ts.
  scratch.fill(bytes, operandAt(operand), operandAt(operand) + count * width);
}

function fromScratch(operand: number, to: Floats, start: number, count: number): void {
  const width = to.BYTES_PER_ELEMENT;
  const bytes = Buffer.from(to.buffer, to.byteOffset + start * width, count * width);
  bytes.fill(new Uint8Array(memory.buffer, operandAt(operand), count * width));
}

/** One step of AdamW with decoupled weight decay (Loshchilov and Hutter 2019), as PyTorch computes it. */
export function adamw(args: AdamwArguments): void {
  const { param, grad, firstMoment, secondMoment } = args;
  for (const other of [grad, firstMoment, secondMoment])
    if (other.length !== param.length || other.BYTES_PER_ELEMENT !== param.BYTES_PER_ELEMENT)
      throw new Error('adamw: param, grad and both moments need the same type and length');
  const there = kernelsUnder(param, grad, firstMoment, secondMoment);
  const { adamwF32, adamwF64 } = there ?? kernels;
  const kernel = param instanceof Float32Array ? adamwF32 : adamwF64;
  const { learningRate, beta1, beta2, epsilon, weightDecay, biasCorrection1, biasCorrection2, gradScale } = args;
  const settings = [learningRate, beta1, beta2, epsilon, weightDecay, biasCorrection1, biasCorrection2, gradScale];
  if (there) {
    const at = [param, grad, firstMoment, secondMoment].map(({ byteOffset }) => byteOffset);
    kernel(at[0]!, at[1]!, at[2]!, at[3]!, param.length, ...settings);
    return;
  }
  eachScratchful(param, (start, count) => {
    toScratch(0, param, start, count);
    toScratch(1, grad, start, count);
    toScratch(2, firstMoment, start, count);
    toScratch(3, secondMoment, start, count);
    kernel(operandAt(0), operandAt(1), operandAt(2), operandAt(3), count, ...settings);
    fromScratch(0, param, start, count);
    fromScratch(2, firstMoment, start, count);
    fromScratch(3, secondMoment, start, count);
  });
}

/** The sum of the squares, added up in double precision. */
export function sumSquares(vector: Floats): number {
  const kernel = vector instanceof Float32Array ? kernels.sumSquaresF32 : kernels.sumSquaresF64;
  let sum = 0;
  eachScratchful(vector, (start, count) => {
    toScratch(0, vector, start, count);
    sum += kernel(operandAt(0), count);
  });
  return sum;
}

export interface NormalStream {
  /** The stream's index of the vector's first number: an integer from 0 to 2^53. */
  readonly start: number;
  /** Another key is another, independent stream: an integer from 0 to 2^53. */
  readonly key: number;
  readonly std: number;
}

/** Fills a vector with normal numbers of mean 0. Number i of a stream is the same whichever call makes it. */
export function normalFill(vector: Floats, { start, key, std }: NormalStream): void {
  const kernel = vector instanceof Float32Array ? kernels.normalFillF32 : kernels.normalFillF64;
  const [keyLow, keyHigh] = [key >>> 0, Math.floor(key / 2 ** 32)];
  eachScratchful(vector, (first, count) => {
    kernel(operandAt(0), count, start + first, keyLow, keyHigh, std);
    fromScratch(0, vector, first, count);
  });
}

/** Philox4x32-10 of one counter: the generator under {@link normalFill}. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): Uint32Array {
  kernels.philoxWords(scratchAt, ...counter, ...key);
  return new Uint32Array(memory.buffer, scratchAt, 4).slice();
}
