// Scratch memory as predicted from the lowered graph, against what ONNX Runtime's arena counts while the graph runs.
import { expect, test } from 'vitest';
import { parseLayout } from '../mesh/layout.ts';
import { parseModelConfig } from '../model/families.ts';
import { presets } from '../model/presets.ts';
import type { ArenaStatistics } from '../runtime/onnx/arena.ts';
import { createSession } from '../runtime/onnx/session.ts';
import { buildTrainingStep } from '../step/training-step.ts';
import { lower } from './lower.ts';
import type { Precision } from './onnx-builder.ts';
import type { OnnxGraph, OnnxTensorInfo } from './onnx-graph.ts';
import { scratchBytes } from './scratch.ts';

function graphsOf(preset: string, text: string, precision: Precision): OnnxGraph[] {
  const config = parseModelConfig(presets[preset], preset);
  const shape = { seqLen: 256, microBatch: 2, microbatches: 2 };
  const { segments } = buildTrainingStep({ config, layout: parseLayout(text), ...shape, precision }, 0);
  return segments.map(({ piece }) => lower(piece, precision).graph);
}

function memoryFor({ type, shape }: OnnxTensorInfo) {
  const size = shape.reduce<number>((all, n) => all * Number(n), 1);
  return type === 'int32' ? new Int32Array(size) : type === 'float64' ? new Float64Array(size) : new Float32Array(size);
}

function run(graph: OnnxGraph, precision: Precision): ArenaStatistics {
  const session = createSession(graph, precision);
  session.bind(graph.inputs.map(memoryFor), graph.outputs.map(memoryFor)).run();
  const arena = session.arena();
  session.release();
  return arena;
}

test('the most memory in use is as predicted, for every segment of a step', () => {
  const cases = [
    ...graphsOf('llama-small', 'tp=1', 'f32').map((graph) => ({ graph, precision: 'f32' as const })),
    ...graphsOf('llama-small', 'tp=2,sp', 'f32').map((graph) => ({ graph, precision: 'f32' as const })),
    ...graphsOf('llama-small', 'tp=1', 'f64').map((graph) => ({ graph, precision: 'f64' as const })),
  ].map((each) => ({ ...each, predicted: scratchBytes(each.graph) }));
  // The arena counts the most so far, so the most hungry come last.
  cases.sort((a, b) => a.predicted - b.predicted);
  let arena: ArenaStatistics | undefined;
  for (const { graph, precision, predicted } of cases) {
    arena = run(graph, precision);
    // A session's own constants are in it too, some numbers each: 520 bytes at the most.
    expect(Math.abs(arena.peakBytes - predicted)).toBeLessThan(1024);
  }
  // What is held beyond are pieces too small for what came next: 1.465 in this order, in every run, and 2.07 if the arena grew by
  // doubling. A program alone has more the smaller its values are: 1.1 (llama-medium), 1.6 (llama-small), 2.1 (llama-tiny).
  expect(arena!.heldBytes / arena!.peakBytes).toBeLessThan(1.5);
  // They serve all that is run again, in any order.
  for (const { graph, precision } of cases.toReversed())
    expect(run(graph, precision).heldBytes - arena!.heldBytes).toBeLessThan(1024);
});
