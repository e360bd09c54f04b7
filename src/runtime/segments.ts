// Compiles the segments of a program, one session a structure: all layers of a kind share one.
import { lower } from '../program/lower.ts';
import type { Precision } from '../program/onnx-builder.ts';
import type { Segment } from '../step/step.ts';
import { createSession, type Session } from './onnx/session.ts';

export interface CompiledSegment {
  readonly session: Session;
  /** Matrix-multiply FLOPs of one run, counted from the lowered graph. */
  readonly flops: number;
}

export function compile(segment: Segment, precision: Precision): CompiledSegment {
  const { graph, flops } = lower(segment.piece, precision);
  return { session: createSession(graph, precision), flops };
}
