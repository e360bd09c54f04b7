// ONNX Runtime's own f32 MatMul on the shapes that the benchmark's model multiplies: what training is measured against.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { buildGraph } from '../src/program/onnx-builder.ts';
import { encodeModel } from '../src/runtime/onnx-model.ts';
import { sessionOptions } from '../src/runtime/sessions.ts';
import { benchModel, benchShape, median } from './model.ts';

/** [rows, k, n] of each forward product of a block: q, k, v, output; gate, up; down. */
function shapes(): (readonly [m: number, k: number, n: number])[] {
  const { hiddenSize: h, intermediateSize: f } = benchModel.config;
  const rows = benchShape.microBatch * benchShape.seqLen;
  return [...Array.from({ length: 4 }, () => [rows, h, h] as const), [rows, h, f], [rows, h, f], [rows, f, h]];
}

export interface MatMulBench {
  /** FLOP/s over one pass through all shapes, each weighted by its own work. */
  readonly run: () => Promise<number>;
  readonly close: () => Promise<void>;
}

const random = (size: number) => Float32Array.from({ length: size }, () => Math.random() - 0.5);

/** A session of one product. Weights are inputs, as in training. */
async function openCase([m, k, n]: readonly [number, number, number]) {
  const building = buildGraph('f32');
  const from = building.onnx.matMul('x', 'w', { m, k, n });
  const graph = building.finish(
    [
      { name: 'x', type: 'float32', shape: [m, k] },
      { name: 'w', type: 'float32', shape: [k, n] },
    ],
    [{ name: 'y', type: 'float32', shape: [m, n], from }],
  );
  const session = await InferenceSession.create(encodeModel(graph), sessionOptions('f32'));
  const tensor = (shape: readonly [number, number]) => new Tensor('float32', random(shape[0] * shape[1]), shape);
  return {
    session,
    feeds: { x: tensor([m, k]), w: tensor([k, n]) },
    fetches: { y: tensor([m, n]) },
    flops: 2 * m * k * n,
  };
}

export async function openMatMulBench(): Promise<MatMulBench> {
  const cases = await Promise.all(shapes().map(openCase));
  return {
    async run() {
      let seconds = 0;
      let flops = 0;
      for (const { session, feeds, fetches, flops: work } of cases) {
        const times: number[] = [];
        for (let i = 0; i < 9; i++) {
          const start = performance.now();
          await session.run(feeds, fetches);
          times.push(performance.now() - start);
        }
        seconds += median(times) / 1000;
        flops += work;
      }
      return flops / seconds;
    },
    async close() {
      for (const { session } of cases) await session.release();
    },
  };
}
