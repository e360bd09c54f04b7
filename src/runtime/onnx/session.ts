// A compiled graph, bound to memory and run: results are written where the caller wants them.
import type { Precision } from '../../program/onnx-builder.ts';
import type { OnnxGraph, OnnxType } from '../../program/onnx-graph.ts';
import type { Numbers } from '../../program/program.ts';
import { makerOn, onnxRuntime } from './api.ts';
import { currentHoldings, type Held } from './holdings.ts';
import { loadKoffi } from './library.ts';
import { encodeModel, typeNumber } from './model.ts';

export interface Session {
  /**
   * Binds the graph's inputs and outputs, in its order, to memory of their sizes: what the result runs, it reads and writes
   * there. An output may lie over an input where the graph allows it. The arrays must not be detached.
   */
  readonly bind: (inputs: readonly Numbers[], outputs: readonly Numbers[]) => Binding;
  /** Frees the session and its bindings. */
  readonly release: () => void;
}

export interface Binding {
  readonly run: () => void;
}

/** GraphOptimizationLevel of the C interface. */
const optimization = { basic: 1, all: 99 } as const;

/**
 * Compiles a graph. One thread a rank: parallelism is ours. In f64 the optimizer stops at what keeps every bit: beyond, it folds
 * constant factors into matrix products as 32-bit floats.
 */
export function createSession(graph: OnnxGraph, precision: Precision): Session {
  const ort = onnxRuntime();
  const maker = makerOn(currentHoldings());
  const options = maker.make('options');
  let session: Held;
  try {
    const at = maker.address(options);
    ort.call('setIntraOpThreads', at, 1);
    ort.call('setInterOpThreads', at, 1);
    ort.call('setLogSeverity', at, 3);
    ort.call('setOptimization', at, precision === 'f32' ? optimization.all : optimization.basic);
    const model = encodeModel(graph);
    session = maker.make('session', ort.env, model, model.byteLength, at);
  } finally {
    maker.release(options);
  }
  const cpuMemory = maker.make('memory', 1, 0);

  const inputNames = namesOf(graph.inputs);
  const outputNames = namesOf(graph.outputs);
  // A tensor is an address, a type and a shape: one serves all bindings of the same memory, which the map keeps alive.
  const values = new Map<Numbers, Map<string, Held>>();
  const valueOver = (numbers: Numbers, { shape, type }: { shape: readonly number[]; type: OnnxType }): bigint => {
    const known = values.get(numbers) ?? new Map<string, Held>();
    values.set(numbers, known);
    const key = shape.join();
    const value = known.get(key) ?? createTensor(numbers, shape, type);
    known.set(key, value);
    return maker.address(value);
  };
  const createTensor = (numbers: Numbers, shape: readonly number[], type: OnnxType): Held => {
    const dims = BigInt64Array.from(shape, BigInt);
    const memory = maker.address(cpuMemory);
    return maker.make('value', memory, numbers, numbers.byteLength, dims, dims.length, typeNumber[type]);
  };

  return {
    bind(inputs, outputs) {
      const inputValues = BigUint64Array.from(inputs.map((numbers, i) => valueOver(numbers, graph.inputs[i]!)));
      const outputValues = BigUint64Array.from(outputs.map((numbers, i) => valueOver(numbers, graph.outputs[i]!)));
      const address = maker.address(session);
      const run = () =>
        ort.call(
          'run',
          address,
          null,
          inputNames.pointers,
          inputValues,
          inputs.length,
          outputNames.pointers,
          outputs.length,
          outputValues,
        );
      return { run };
    },
    release() {
      for (const known of values.values()) for (const value of known.values()) maker.release(value);
      values.clear();
      maker.release(cpuMemory);
      maker.release(session);
    },
  };
}

/** C strings and the array of their addresses; both must live as long as the session. */
function namesOf(tensors: readonly { readonly name: string }[]): {
  readonly pointers: BigUint64Array;
  readonly texts: readonly Buffer[];
} {
  const koffi = loadKoffi();
  const texts = tensors.map(({ name }) => Buffer.from(`${name}\0`));
  return { texts, pointers: BigUint64Array.from(texts.map((text) => BigInt(koffi.address(text)))) };
}
