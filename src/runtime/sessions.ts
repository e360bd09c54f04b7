// ONNX Runtime sessions for compute pieces, one a structure: all layers of a kind share one.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { lower } from '../program/lower.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { Numbers } from '../program/op.ts';
import type { Shape } from '../program/value.ts';
import type { Segment } from '../step/step.ts';
import { encodeModel } from './onnx-model.ts';

export interface CompiledSegment {
  readonly session: InferenceSession;
  /** Matrix-multiply FLOPs of one run, counted from the lowered graph. */
  readonly flops: number;
}

/**
 * One thread a rank: parallelism is ours. In f64 the optimizer stops at what keeps every bit: beyond, it folds constant factors
 * into matrix products as 32-bit floats.
 */
export const sessionOptions = (precision: Precision): InferenceSession.SessionOptions => ({
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: precision === 'f32' ? 'all' : 'basic',
  logSeverityLevel: 3,
});

export async function compile(segment: Segment, precision: Precision): Promise<CompiledSegment> {
  const { graph, flops } = lower(segment.piece, precision);
  const session = await InferenceSession.create(encodeModel(graph), sessionOptions(precision));
  return { session, flops };
}

/** A tensor over a buffer's own memory. */
export function tensorOver(numbers: Numbers, shape: Shape): Tensor {
  if (numbers instanceof Float32Array) return new Tensor('float32', numbers, shape);
  if (numbers instanceof Float64Array) return new Tensor('float64', numbers, shape);
  return new Tensor('int32', numbers, shape);
}
