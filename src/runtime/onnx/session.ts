// A compiled graph, run on memory of ours: results are written where the caller wants them.
import type { Precision } from '../../program/onnx-builder.ts';
import type { OnnxDim, OnnxGraph } from '../../program/onnx-graph.ts';
import type { Numbers } from '../../program/program.ts';
import { makerOn, onnxRuntime } from './api.ts';
import { type ArenaStatistics, arenaStatistics } from './arena.ts';
import { currentHoldings, type Held } from './holdings.ts';
import { loadKoffi } from './library.ts';
import { encodeModel } from './model.ts';
import { createTensors } from './tensors.ts';

export interface Session {
  /**
   * Binds the graph's inputs and outputs, in its order, to memory of their sizes: what the result runs, it reads and writes
   * there. An output may lie over an input where the graph allows it. The arrays must not be detached.
   */
  readonly bind: (inputs: readonly Numbers[], outputs: readonly Numbers[]) => Binding;
  /** Runs it once on tensors by their addresses, which need not be those of the last run (see `createTensors`). */
  readonly call: (inputs: readonly bigint[], outputs: readonly bigint[]) => void;
  /** Of the arena that this session shares with all others of the process. */
  readonly arena: () => ArenaStatistics;
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
    // A pattern is one block for all values of a run, beside those of the run that it was learnt from.
    ort.call('disableMemPattern', at);
    ort.call('addSessionConfig', at, 'session.use_env_allocators', '1');
    ort.call('setOptimization', at, precision === 'f32' ? optimization.all : optimization.basic);
    // It would undo a transposition that the builder has put before a product.
    ort.call('addSessionConfig', at, 'optimization.disable_specified_optimizers', 'GemmTransposeFusion');
    const model = encodeModel(graph);
    session = maker.make('session', ort.env, model, model.byteLength, at);
  } finally {
    maker.release(options);
  }
  const address = maker.address(session);
  // Not the graph: its constants would be held beside those of the session.
  const { inputs: graphInputs, outputs: graphOutputs } = graph;
  const inputNames = namesOf(graphInputs);
  const outputNames = namesOf(graphOutputs);
  const run = (inputs: BigUint64Array, outputs: BigUint64Array): void =>
    ort.call(
      'run',
      address,
      null,
      inputNames.pointers,
      inputs,
      inputs.length,
      outputNames.pointers,
      outputs.length,
      outputs,
    );
  const tensors = createTensors();
  const called = { inputs: new BigUint64Array(graphInputs.length), outputs: new BigUint64Array(graphOutputs.length) };

  return {
    bind(inputs, outputs) {
      const over = (numbers: Numbers, shape: readonly OnnxDim[]) =>
        tensors.over(
          numbers,
          shape.map((dim) => (typeof dim === 'string' ? numbers.length : dim)),
        );
      const inputValues = BigUint64Array.from(inputs.map((numbers, i) => over(numbers, graphInputs[i]!.shape)));
      const outputValues = BigUint64Array.from(outputs.map((numbers, i) => over(numbers, graphOutputs[i]!.shape)));
      return { run: () => run(inputValues, outputValues) };
    },
    call(inputs, outputs) {
      for (let i = 0; i < inputs.length; i++) called.inputs[i] = inputs[i]!;
      for (let i = 0; i < outputs.length; i++) called.outputs[i] = outputs[i]!;
      run(called.inputs, called.outputs);
    },
    arena: () => arenaStatistics(ort.call, ort.text, maker.address(session)),
    release() {
      tensors.release();
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
