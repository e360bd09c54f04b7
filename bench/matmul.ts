// ONNX Runtime's own f32 MatMul on the shapes that the benchmark's model multiplies: what training is measured against.
import { buildGraph } from '../src/program/onnx-builder.ts';
import { createSession } from '../src/runtime/onnx/session.ts';
import { benchModel, benchShape, median } from './model.ts';

/** Rows of an operand, features of it, and features of the result. */
type Product = readonly [m: number, k: number, n: number];

/** Of each forward product of a block: q, k, v, output; gate, up; down. */
function ofBlock(): Product[] {
  const { hiddenSize: h, intermediateSize: f } = benchModel.config;
  const rows = benchShape.microBatch * benchShape.seqLen;
  return [...Array.from({ length: 4 }, () => [rows, h, h] as const), [rows, h, f], [rows, h, f], [rows, f, h]];
}

export interface MatMulBench {
  /** FLOP/s over one pass through all shapes, each weighted by its own work, on operands that lie in the core's caches. */
  readonly run: () => number;
  /** The same on operands that come from further away, as those of training do. */
  readonly runFar: () => number;
  readonly close: () => void;
}

const random = (size: number) => Float32Array.from({ length: size }, () => Math.random() - 0.5);

/** Sets of operands in turns: so many that none of a set is left in the cache when its turn comes again. */
const farSets = 12;

/** A session of one product. Weights are inputs, as in training. */
function openCase([m, k, n]: Product) {
  const building = buildGraph('f32');
  const from = building.onnx.matMul('x', 'w', { m, k, n });
  const graph = building.finish(
    [
      { name: 'x', type: 'float32', shape: [m, k] },
      { name: 'w', type: 'float32', shape: [k, n] },
    ],
    [{ name: 'y', type: 'float32', shape: [m, n], from }],
  );
  const session = createSession(graph, 'f32');
  const sets = Array.from(
    { length: farSets },
    () => session.bind([random(m * k), random(k * n)], [new Float32Array(m * n)]).run,
  );
  return { session, sets, flops: 2 * m * k * n };
}

export function openMatMulBench(shapes: readonly Product[] = ofBlock()): MatMulBench {
  const cases = shapes.map(openCase);
  const over = (setsUsed: number): number => {
    let seconds = 0;
    let flops = 0;
    for (const { sets, flops: work } of cases) {
      const times: number[] = [];
      for (let i = 0; i < farSets; i++) {
        const start = performance.now();
        sets[i % setsUsed]!();
        times.push(performance.now() - start);
      }
      seconds += median(times) / 1000;
      flops += work;
    }
    return flops / seconds;
  };
  return {
    run: () => over(1),
    runFar: () => over(farSets),
    close() {
      for (const { session } of cases) session.release();
    },
  };
}
