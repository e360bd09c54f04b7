// The functions of kernels/transport.as.ts.
import { instantiate, type SharedWasmMemory, type WasmModule } from '../../kernels/wasm.ts';
import type { ReduceOp, Vector } from '../transport.ts';

/** out, first slot, slot stride (bytes), slots, elements a row, rows, row stride (bytes): see kernels/transport.as.ts. */
export type ReduceKernel = (
  out: number,
  first: number,
  stride: number,
  slots: number,
  count: number,
  rows: number,
  rowStride: number,
) => void;

export interface TransportKernels {
  readonly sumF32: ReduceKernel;
  readonly sumF64: ReduceKernel;
  readonly sumI32: ReduceKernel;
  readonly maxF32: ReduceKernel;
  readonly maxF64: ReduceKernel;
  readonly maxI32: ReduceKernel;
  readonly spreadRows: (out: number, from: number, bytes: number, rows: number, rowStride: number) => void;
}

export const transportKernels = (module: WasmModule, memory: SharedWasmMemory): TransportKernels =>
  instantiate<TransportKernels>(module, memory);

export function reduceKernel(kernels: TransportKernels, data: Vector, op: ReduceOp): ReduceKernel {
  const max = op === 'max';
  if (data instanceof Float32Array) return max ? kernels.maxF32 : kernels.sumF32;
  if (data instanceof Float64Array) return max ? kernels.maxF64 : kernels.sumF64;
  return max ? kernels.maxI32 : kernels.sumI32;
}
