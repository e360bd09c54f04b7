// What this machine can do: FLOP/s of ONNX Runtime's own matrix product, on one rank or on several at once.

import { worldGroup } from '../mesh/mesh.ts';
import { buildGraph, type Precision } from '../program/onnx-builder.ts';
import { createSession } from './onnx/session.ts';
import type { Transport } from './transport/transport.ts';
import { runWorld } from './world.ts';
import type { WorldPool } from './world-pool.ts';

export interface MatrixRateOptions {
  readonly ranks: number;
  readonly precision: Precision;
  /** How long to measure, besides starting the ranks; 0.3 when not given. */
  readonly seconds?: number;
  readonly pool?: WorldPool;
  readonly signal?: AbortSignal;
}

interface Job {
  readonly precision: Precision;
  readonly seconds: number;
}

/** [rows, k] × [k, columns]: large enough to run at full speed, small enough for many calls in a window. */
const [rows, k, columns] = [256, 512, 1024];
/** The best counts: what else runs on the machine only ever slows one down. */
const windows = 3;

/** FLOP/s of all ranks together, each on one thread. Throws what runWorld throws. */
export async function measureMatrixRate(options: MatrixRateOptions): Promise<number> {
  const { ranks, precision, seconds = 0.3, pool, signal } = options;
  const job: Job = { precision, seconds };
  const rates = (await runWorld({
    plan: {
      size: ranks,
      groups: ranks > 1 ? [worldGroup(ranks)] : [],
      channels: [],
      timeoutSeconds: 60 + 10 * seconds,
    },
    rankModule: new URL(import.meta.url),
    jobs: Array.from({ length: ranks }, () => job),
    ...(pool && { pool }),
    ...(signal && { signal }),
  })) as number[][];
  return Math.max(...Array.from({ length: windows }, (_, w) => rates.reduce((sum, rank) => sum + rank[w]!, 0)));
}

/** The rank module: see {@link matrixRateOfRank}. */
export async function rank(transport: Transport, job: unknown): Promise<number[]> {
  const { precision, seconds } = job as Job;
  return matrixRateOfRank(transport, precision, seconds);
}

/** FLOP/s of this rank in each of some windows, in `seconds` all together. All ranks call it, and begin a window together. */
export function matrixRateOfRank(transport: Transport, precision: Precision, seconds: number): number[] {
  const windowSeconds = seconds / windows;
  const product = openProduct(precision);
  product.run();
  const group = worldGroup(transport.size);
  const rates = Array.from({ length: windows }, () => {
    if (transport.size > 1) transport.barrier(group, 'matrix rate');
    const start = performance.now();
    let [calls, gone] = [0, 0];
    while (gone < windowSeconds) {
      transport.heartbeat('matrix rate');
      product.run();
      calls++;
      gone = (performance.now() - start) / 1000;
    }
    return (calls * 2 * rows * k * columns) / gone;
  });
  product.release();
  return rates;
}

/** Both operands are inputs, as weights are in training. */
function openProduct(precision: Precision): { readonly run: () => void; readonly release: () => void } {
  const building = buildGraph(precision);
  const from = building.onnx.matMul('x', 'w', { m: rows, k, n: columns });
  const type = precision === 'f64' ? 'float64' : 'float32';
  const graph = building.finish(
    [
      { name: 'x', type, shape: [rows, k] },
      { name: 'w', type, shape: [k, columns] },
    ],
    [{ name: 'y', type, shape: [rows, columns], from }],
  );
  const session = createSession(graph, precision);
  const Floats = precision === 'f64' ? Float64Array : Float32Array;
  const numbers = (size: number) => new Floats(size).map((_, i) => ((i * 7919) % 1000) / 1000 - 0.5);
  const { run } = session.bind([numbers(rows * k), numbers(k * columns)], [new Floats(rows * columns)]);
  return { run, release: session.release };
}
